import { takeName } from '../database/control';
import type { Call } from '../nakama/caller';
import { withFields } from '../nakama/log';
import { processId } from '../nakama/process-id';

/** In the local cache: undefined before this process noted its name, then whether it has warned. */
const NOTED = 'gameye_name';

/**
 * Warns once when another process that is alive has this node's name (`--name`): one that noted the name after this one had.
 * The one before a restart did not. This module tells nodes apart by other means; Nakama does not everywhere.
 */
export function watchName({ nk, ctx, logger }: Call): void {
  const self = processId(nk);
  const last = takeName(nk, ctx.node, self);
  const noted = nk.localcacheGet(NOTED);
  if (noted === undefined) nk.localcachePut(NOTED, 'no');
  if (noted !== 'no' || last === undefined || last === self) return;
  nk.localcachePut(NOTED, 'warned');
  withFields(logger, { node: ctx.node }).warn(
    'Gameye: another Nakama on this database has the same name; give each one its own with --name.',
  );
}
