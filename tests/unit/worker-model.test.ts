import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { remove } from '../../src/fleet/remove';
import { configWith } from './support/config';
import { FAULTS, type Turn } from './support/gameye';
import { live, type Blow, rowsOf } from './support/life';

/*
 * The worker with a storage, a Session API and a process that all fail at any moment: whatever happens, one allocation
 * ends with at most one running session, which is recorded and announced.
 */
const turn: fc.Arbitrary<Turn> = fc.record({
  fault: fc.constantFrom(...FAULTS),
  full: fc.boolean(),
  dies: fc.constant(false),
  warm: fc.boolean(),
  ms: fc.integer({ min: 1, max: 14_000 }),
});
const blow = fc.constantFrom<Blow>(
  ...(['none', 'none', 'none', 'none', 'error-before', 'error-after', 'crash-before', 'crash-after'] as const),
);
const config = fc.constantFrom(configWith(), configWith({ GAMEYE_API_REGION: 'eu-central-1' }));
const disturbed = fc.record({
  config,
  turns: fc.array(turn, { maxLength: 12 }),
  blows: fc.array(blow, { maxLength: 25 }),
});
// Seconds' worth; set FC_RUNS to search for longer.
const runs = { numRuns: Number(process.env['FC_RUNS'] ?? 12) };

describe('a worker, whatever fails around it', () => {
  it('ends, and keeps no allocation', () => {
    fc.assert(
      fc.property(disturbed, (plan) => {
        const { ended, row } = live(plan);
        expect(ended).toBe(true);
        expect(row()).toBeUndefined();
      }),
      runs,
    );
  });

  it('leaves a session running only when it is recorded and its players know it', () => {
    fc.assert(
      fc.property(disturbed, (plan) => {
        const { running, told, fake } = live(plan);
        const announced = told.filter((one) => one.code === 7300).map((one) => one.sessionId);
        expect(running.length).toBeLessThanOrEqual(1);
        for (const id of running) {
          expect(announced).toContain(id);
          expect(rowsOf(fake)).toContain(`instance ${id}`);
        }
      }),
      runs,
    );
  });

  it('keeps no instance of a session that it stopped', () => {
    fc.assert(
      fc.property(disturbed, (plan) => {
        const { api, fake } = live(plan);
        const stopped = [...api.sessions.values()].filter((one) => one.stopped).map((one) => `instance ${one.id}`);
        expect(rowsOf(fake).filter((row) => stopped.includes(row))).toEqual([]);
      }),
      runs,
    );
  });

  it('tells every player something once the allocation was stored, and never both an address and a failure', () => {
    fc.assert(
      fc.property(disturbed, (plan) => {
        const { told, fake } = live(plan);
        const codes = new Set(told.map((one) => one.code));
        // A crash between the first write's arrival at the database and its commit leaves nothing behind.
        if (codes.size === 0) expect(fake.requests).toEqual([]);
        expect(codes.size).toBeLessThanOrEqual(1);
      }),
      runs,
    );
  });

  it('tells each player once and in time when only the Session API fails', () => {
    fc.assert(
      fc.property(disturbed, ({ config, turns }) => {
        const { told, deadlineMs } = live({ config, turns });
        expect(told).toHaveLength(2);
        expect(told[0]!.atMs).toBeLessThanOrEqual(deadlineMs + 10_000);
      }),
      runs,
    );
  });

  it('leaves nothing running after fleet_delete answered, at whatever moment it came', () => {
    fc.assert(
      fc.property(disturbed, fc.integer({ min: 1, max: 12 }), (plan, nth) => {
        let deleted = false;
        let seen = 0;
        const { running } = live({
          ...plan,
          meanwhile: {
            before: () => ++seen === nth,
            act: (life) => {
              const known = life.row() !== undefined;
              try {
                remove(life.call, 'id-0');
                deleted = known;
              } catch (error) {
                expect(error).toMatchObject({ code: expect.any(Number) });
              }
            },
          },
        });
        if (deleted) expect(running).toEqual([]);
      }),
      runs,
    );
  });
});
