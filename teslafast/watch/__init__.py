"""
A dashboard in the terminal.

    stream              how far the stream has been read, and the URL that asks for the rest
    connection, client  one connection to /stream; connecting again after it ends
    display             where events go: lines of JSON, or a live table
    board, render       what is known of each vehicle, and that as lines of text: pure
"""
