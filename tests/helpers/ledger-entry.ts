import type { LedgerEntry } from '../../dev/gameye/ledger.ts';

/** A session as the simulator's ledger has it, that was asked for and never ran, with what is `change`d. */
export function ledgerEntry(id: string, change: Partial<LedgerEntry> = {}): LedgerEntry {
  return {
    id,
    region: 'here',
    image: 'quiet',
    tag: 'latest',
    labels: {},
    tokenName: 'token-1',
    requestOrdinal: 1,
    warm: false,
    host: '127.0.0.1',
    envKeys: [],
    matchUserIds: [],
    requestedAtMs: 0,
    ports: [],
    players: [],
    peakPlayers: 0,
    restarts: 0,
    ...change,
  };
}
