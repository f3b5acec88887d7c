import type { Nakama, StorageWriteAck } from './runtime';

/*
 * Nakama's storage index is in the memory of each node and takes in only what is written on that node. So every write of an
 * indexed record is noted here, where all VMs of the node see it, and whoever finds a record at another version knows that
 * another node wrote it.
 */

/** The only collection of ours that has an index. */
const INDEXED = '_gameye_instances';

/** A note costs microseconds and some bytes; when it is gone, its record is indexed once more than needed. */
const NOTE_SECONDS = 6 * 3600;

/** Notes versions that this node's index has. */
export function noteIndexed(nk: Nakama, written: Pick<StorageWriteAck, 'collection' | 'key' | 'version'>[]): void {
  for (const { collection, key, version } of written) {
    if (collection === INDEXED) nk.localcachePut(`gameye_indexed_${key}`, version, NOTE_SECONDS);
  }
}

/** True when this node's index has the record at this version. */
export function isIndexed(nk: Nakama, key: string, version: string): boolean {
  return nk.localcacheGet(`gameye_indexed_${key}`) === version;
}
