import type { Bridge } from './bridge.ts';
import { GoError } from './errors.ts';
import { goJson } from './go-json.ts';
import { absent, boolean, integer, isMap, mapArray, string, uuid } from './values.ts';

type Native = (...args: unknown[]) => unknown;
const NIL = '00000000-0000-0000-0000-000000000000';

interface Outgoing {
  userId: string;
  subject: string;
  content: string;
  code: number;
  senderId: string;
  persistent: boolean;
}

function checkedCode(value: unknown, version: string): number {
  const code = integer(value, "expects 'code' value to be a number");
  const system = code >= -2000 && code <= -1000 && Number(version.split('.')[1]) >= 30;
  if (code <= 0 && !system) throw new TypeError("expects 'code' value to be a positive integer.");
  return code;
}

/** `nk.notificationsSend`, and `nk.notificationSend` with the crash that comes with it. */
export function notificationFunctions(bridge: Bridge, version: string): Record<string, Native> {
  const content = (value: unknown): string => {
    if (!isMap(value)) throw new TypeError("expects 'content' value to be an object");
    try {
      return goJson(value, version);
    } catch (error) {
      throw new GoError(`failed to convert content: ${(error as Error).message}`);
    }
  };
  return {
    notificationsSend: (list) => {
      if (absent(list)) throw new TypeError('expects a valid array of notifications');
      const outgoing = mapArray(list, 'expects notifications to be an array').map((map): Outgoing => {
        const note = { userId: NIL, subject: '', content: '', code: 0, senderId: NIL, persistent: false };
        if ('persistent' in map)
          note.persistent = boolean(map.persistent, "expects 'persistent' value to be a boolean");
        if ('subject' in map) note.subject = string(map.subject, "expects 'subject' value to be a string");
        if ('content' in map) note.content = content(map.content);
        if ('code' in map) note.code = checkedCode(map.code, version);
        for (const name of ['userId', 'senderId'] as const) {
          if (!(name in map)) continue;
          string(map[name], `expects '${name}' value to be a string`);
          note[name] = uuid(map[name], `expects '${name}' value to be a valid id`);
        }
        if (note.subject === '') throw new TypeError('expects subject to be provided and to be non-empty');
        if (note.content === '') throw new TypeError('expects content to be provided and be valid JSON');
        if (note.userId === NIL) throw new TypeError('expects userId to be provided and be a valid UUID');
        if (note.code === 0) throw new TypeError('expects code to be provided and be a number above 0');
        return note;
      });
      bridge.call('notificationsSend', [outgoing], 'failed to send notifications: ');
    },
    notificationSend: (userId, subject, body, code, senderId, persistent) => {
      const user = uuid(string(userId), 'expects valid user id');
      const title = string(subject);
      if (title === '') throw new TypeError('expects subject to be a non empty string');
      if (!isMap(body)) throw new TypeError('expects content to be an object');
      const number = integer(code);
      if (number <= 0) throw new TypeError('expects code to number to be a positive integer');
      const sender = absent(senderId) ? NIL : uuid(string(senderId), 'expects sender id to be a valid identifier');
      const keep = absent(persistent) ? false : boolean(persistent);
      const note = {
        userId: user,
        subject: title,
        content: content(body),
        code: number,
        senderId: sender,
        persistent: keep,
      };
      try {
        bridge.call('notificationsSend', [[note]], 'failed to send notifications: ');
      } catch (error) {
        bridge.fatal(
          `nk.notificationSend: ${(error as Error).message} – here Nakama panics and the whole server dies. Use nk.notificationsSend, whose errors can be caught.`,
        );
      }
    },
  };
}
