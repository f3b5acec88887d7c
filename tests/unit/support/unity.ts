import { vi } from 'vitest';
import { fromRow, type Allocation } from '../../../src/allocation/allocation';
import type { Call } from '../../../src/nakama/caller';
import type { Instance } from '../../../src/records';
import { unityAllocate, unityPoll } from '../../../src/rpc/unity';
import { allocationIdOf } from '../../../src/unity/match';
import { loopAllocator, type AllocatorState } from '../../../src/worker/allocator';
import { configWith } from './config';
import { CALM, ModelGameye, type Fault } from './gameye';
import { context, fakeNakama } from './nakama';
import { allocationIn, instanceIn } from './records';

export const MATCH = '6b7a1f0e-0f6e-4a35-9a3a-3b1f4a2c9d10';
export const ALLOCATE = {
  MatchId: MATCH,
  MatchmakingResults: {
    MatchProperties: { Region: 'us-east-1', Players: [{ Id: 'unity-player-1' }, { Id: 'unity-player-2' }] },
    PoolName: 'duels',
    QueueName: 'ranked',
  },
};

/** An AllocateResponse or a PollResponse. */
export interface Answer {
  Status: string;
  Message?: string;
  AllocationData?: { sessionId: string };
  AssignmentData?: { Ip: string; Port: number; CustomData: { [key: string]: unknown } };
}

/** A server that Unity's module asks, a model of the Session API, and a clock that only they move. */
export class UnityWorld {
  now = 1_700_000_000_000;
  readonly fake = fakeNakama();
  /** What goes wrong with the next requests to the Session API, in order. */
  faults: Fault[] = [];
  readonly api = new ModelGameye({ now: () => this.now, pass: (ms) => void (this.now += ms) }, () => ({
    ...CALM,
    fault: this.faults.shift() ?? 'none',
  }));
  call: Call = { ctx: context({ matchId: 'm1.n1' }), logger: this.fake.logger, nk: this.fake.nk, config: configWith() };

  /** Restore vitest's mocks afterwards: the clock is one. */
  constructor() {
    vi.spyOn(Date, 'now').mockImplementation(() => this.now);
    this.fake.http = (request) => this.api.handle(request);
  }

  allocate(payload: object = ALLOCATE): Answer {
    return unityAllocate(this.call, { ...payload }) as Answer;
  }

  poll(payload: object = { MatchId: MATCH }): Answer {
    return unityPoll(this.call, { ...payload }) as Answer;
  }

  /** The id of the match's allocation, which is its session's as well unless that had to get another. */
  id(): string {
    return allocationIdOf(this.call, MATCH);
  }

  /** The allocation of the match, while its row is there. */
  row(): Allocation {
    return fromRow(allocationIn(this.fake, this.id())!);
  }

  instance(): Instance | undefined {
    return instanceIn(this.fake, this.id());
  }

  /** The session ends and its record goes. */
  endSession(): void {
    this.fake.query('DELETE FROM gameye_instance');
  }

  /** Runs the worker that was started last, until it is finished or, with `until`, until that is so. */
  work(until: () => boolean = () => false): void {
    const started = this.fake.events.flatMap((event) => (event.kind === 'match' ? [event.params] : [])).at(-1);
    let state: AllocatorState | undefined = { ...(started as unknown as AllocatorState), wake_at_ms: 0 };
    for (let tick = 0; state && tick < 3_000 && !until(); tick++) {
      this.now = Math.max(this.now + 17, state.wake_at_ms);
      state = loopAllocator(this.call, state);
    }
  }
}
