"""
Simulated vehicles: a believable drive, sent to a server in the protocol of real vehicles.

    route → timetable → car → drive      what a vehicle reports, and when: pure and seeded
    chaos                                what goes wrong between the vehicle and the server
    connection, ack_tracker              one connection, and whether every message was answered
    simulated_vehicle, fleet, summary    one vehicle, all of them, and what happened
"""
