// teslajs, unchanged: node teslajs_client.cjs PACKAGE URL TOKEN TAG ROWS. Prints each message as a line, and ends after so many rows.
const [, , home, url, authToken, tag, rows] = process.argv;
process.env.TESLAJS_STREAMING = url;
const teslajs = require(home);
teslajs.setLogLevel(0);
let left = Number(rows);
teslajs.startStreaming({ authToken, vehicle_id: tag }, (error, _, message) => {
  console.log(error ? JSON.stringify({ error }) : JSON.stringify(message));
  if (error || (left -= 1) === 0) process.exit(error ? 1 : 0);
});
