/** The least that a page can do for the month's figure: figures.js compares the dashboard with it. */
import { GenericServiceClient, RobotClient, Struct } from '@viamrobotics/sdk';

const robot = new RobotClient();
await robot.dial({ host: location.origin, noReconnect: true, disableSessions: true });
const answer = await new GenericServiceClient(robot, 'billing').doCommand(
  Struct.fromJson({ get_location_usage: {} }),
);
const { month_to_date: cost } = /** @type {{ get_location_usage: { month_to_date: number } }} */ (answer)
  .get_location_usage;
document.body.append(
  Object.assign(document.createElement('p'), { className: 'figure', textContent: `$${cost}` }),
);
