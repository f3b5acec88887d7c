import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { cacheDir } from '../stack/paths.ts';

/**
 * The least that a module for this runtime can do: a match that sends one POST and one notification, and stores nothing.
 * Measured beside ours in the same run, because machines differ more than modules.
 */
const FLOOR = `
function gameyeMatchmakerMatched(ctx, logger, nk, entries) {
  var users = entries.map(function (entry) { return entry.presence.userId; }).join(',');
  nk.matchCreate('floor', { users: users, id: nk.uuidv4() });
}
function floorInit(ctx, logger, nk, params) { return { state: params, tickRate: 60, label: '' }; }
function floorLoop(ctx, logger, nk, dispatcher, tick, state) {
  var headers = { 'Content-Type': 'application/json', Authorization: 'Bearer ' + ctx.env.GAMEYE_API_TOKEN };
  var run = { id: state.id, location: ctx.env.GAMEYE_API_REGION, image: ctx.env.GAMEYE_API_IMAGE, ttl: '30m' };
  var reply = nk.httpRequest(ctx.env.GAMEYE_API_URL + '/session', 'post', headers, JSON.stringify(run), 15000);
  var started = JSON.parse(reply.body);
  var content = { host: started.host, port: started.ports[0].host, session_id: state.id };
  nk.notificationsSend(state.users.split(',').map(function (userId) {
    return { userId: userId, subject: 'gameye_match', code: 7300, persistent: true, content: content };
  }));
  return null;
}
function floorOther(ctx, logger, nk, dispatcher, tick, state) { return { state: state }; }
function InitModule(ctx, logger, nk, initializer) {
  initializer.registerMatchmakerMatched(gameyeMatchmakerMatched);
  initializer.registerMatch('floor', {
    matchInit: floorInit, matchJoinAttempt: floorOther, matchJoin: floorOther, matchLeave: floorOther,
    matchLoop: floorLoop, matchTerminate: floorOther, matchSignal: floorOther
  });
}
`;

/** Writes that module and answers its file. */
export async function floorModule(): Promise<string> {
  const file = path.join(cacheDir, 'bench', 'floor.js');
  await mkdir(path.dirname(file), { recursive: true });
  await writeFile(file, FLOOR);
  return file;
}
