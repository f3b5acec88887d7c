import { describe, expect, it } from 'vitest';
import { LogBook, parseLogLine } from '../../dev/stack/log.ts';

describe('a log line', () => {
  it('of Nakama is read with all its fields', () => {
    const line = '{"level":"warn","ts":"2026-01-01T00:00:00.000Z","caller":"server/a.go:1","msg":"slow","took_ms":7}';
    expect(parseLogLine(line)).toEqual({
      level: 'warn',
      ts: '2026-01-01T00:00:00.000Z',
      caller: 'server/a.go:1',
      msg: 'slow',
      took_ms: 7,
    });
  });

  it.each(['panic: runtime error', '{"level":"info"', '{"level":"info"}', '{}', '[1]'])(
    'that is no line of Nakama is kept as text: %s',
    (line) => {
      expect(parseLogLine(line)).toEqual({ level: 'text', msg: line });
    },
  );
});

describe('the log of a server', () => {
  it('finds a line that was there before somebody asked', async () => {
    const log = new LogBook();
    log.add('{"level":"info","msg":"Startup done"}');
    expect(await log.waitFor('Startup', 1_000)).toMatchObject({ msg: 'Startup done' });
  });

  it('finds a line that comes later, by text, by pattern and by a test', async () => {
    const log = new LogBook();
    const waiting = [
      log.waitFor('stopped', 5_000),
      log.waitFor(/"code":7/, 5_000),
      log.waitFor((entry) => entry.level === 'error', 5_000),
    ];
    log.add('{"level":"info","msg":"started"}');
    log.add('{"level":"error","msg":"stopped","code":7}');
    for (const entry of await Promise.all(waiting)) expect(entry.msg).toBe('stopped');
  });

  it('says what it saw when the line does not come in time', async () => {
    const log = new LogBook();
    log.add('nothing of interest');
    await expect(log.waitFor('anything else', 30)).rejects.toThrow(/waited 30 ms[^]*nothing of interest/);
  });

  it('does not wait for a program that has ended', async () => {
    const log = new LogBook();
    log.close('the server ended (SIGKILL)');
    await expect(log.waitFor('more', 60_000)).rejects.toThrow(/ended \(SIGKILL\)/);
  });
});
