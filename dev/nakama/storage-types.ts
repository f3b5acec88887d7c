/** A storage object's identity; `userId` is the nil UUID for objects that the system owns. */
export interface StorageId {
  collection: string;
  key: string;
  userId: string;
}

/** `version` is "" (last write wins), "*" (insert only) or the version that must be stored now; `value` is JSON. */
export interface StorageWrite extends StorageId {
  value: string;
  version: string;
  read: number;
  write: number;
}

export interface StorageDelete extends StorageId {
  version: string;
}

/** A stored object with the names that the JavaScript runtime gives its fields; times are in seconds. */
export interface StorageObject extends StorageId {
  value: string;
  version: string;
  permissionRead: number;
  permissionWrite: number;
  createTime: number;
  updateTime: number;
}

export interface WriteAck extends StorageId {
  version: string;
}
