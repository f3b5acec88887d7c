import type { ServerResponse } from 'node:http';
import { ApiError, Code } from './failure.ts';
import { jsonBody, sendJson, type ApiRequest } from './http-tools.ts';
import type { Storage } from './storage.ts';
import type { StorageObject } from './storage-types.ts';
import type { Session } from './tokens.ts';

type Body = Record<string, unknown>;

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const NIL = '00000000-0000-0000-0000-000000000000';
const text = (value: unknown): string => (typeof value === 'string' ? value : '');

/** `/v2/storage`: what players may read, list, write and delete, by the permissions of the objects. */
export class StorageApi {
  constructor(
    private readonly storage: Storage,
    private readonly maxBytes: number,
  ) {}

  async read({ userId }: Session, request: ApiRequest, response: ServerResponse): Promise<void> {
    const ids = ((await jsonBody(request, this.maxBytes)).object_ids ?? []) as Body[];
    const wanted = ids.map((id) => {
      const owner = text(id.user_id);
      if (text(id.collection) === '' || text(id.key) === '')
        throw new ApiError(Code.InvalidArgument, 'Invalid collection or key value supplied. They must be set.');
      if (owner !== '' && !UUID.test(owner))
        throw new ApiError(Code.InvalidArgument, 'Invalid user ID - make sure user ID is a valid UUID.');
      return { collection: text(id.collection), key: text(id.key), userId: owner === '' ? NIL : owner };
    });
    const objects = await this.storage.read(userId, wanted);
    sendJson(response, 200, objects.length === 0 ? {} : { objects: objects.map(apiObject) });
  }

  async list({ userId }: Session, request: ApiRequest, response: ServerResponse, rest: string): Promise<void> {
    const [collection = '', pathOwner] = rest.split('/');
    const limit = Number(request.query.get('limit') ?? 1);
    if (!(limit >= 1 && limit <= 100))
      throw new ApiError(Code.InvalidArgument, 'Invalid limit - limit must be between 1 and 100.');
    const owner = pathOwner ?? request.query.get('user_id') ?? request.query.get('userId') ?? '';
    if (owner !== '' && !UUID.test(owner))
      throw new ApiError(Code.InvalidArgument, 'Invalid user ID - make sure user ID is a valid UUID.');
    const cursor = request.query.get('cursor') ?? '';
    const page = await this.storage.list(userId, owner === '' ? null : owner, collection, limit, cursor);
    const objects = page.objects.length === 0 ? {} : { objects: page.objects.map(apiObject) };
    sendJson(response, 200, { ...objects, ...(page.cursor === '' ? {} : { cursor: page.cursor }) });
  }

  async write({ userId }: Session, request: ApiRequest, response: ServerResponse): Promise<void> {
    const objects = ((await jsonBody(request, this.maxBytes)).objects ?? []) as Body[];
    const permission = (value: unknown): number => (value === undefined || value === null ? 1 : Number(value));
    const ops = objects.map((object) => ({
      collection: text(object.collection),
      key: text(object.key),
      userId,
      value: text(object.value),
      version: text(object.version),
      read: permission(object.permission_read),
      write: permission(object.permission_write),
    }));
    for (const op of ops) {
      if (op.collection === '' || op.key === '')
        throw new ApiError(Code.InvalidArgument, 'Invalid collection or key value supplied. They must be set.');
      if (!/^\s*\{/.test(op.value)) throw new ApiError(Code.InvalidArgument, 'Value must be a JSON object.');
    }
    const acks = await this.storage.write(userId, ops).catch((error: Error) => {
      throw new ApiError(Code.InvalidArgument, error.message);
    });
    sendJson(response, 200, { acks: acks.map(({ userId: user_id, ...ack }) => ({ ...ack, user_id })) });
  }

  async delete({ userId }: Session, request: ApiRequest, response: ServerResponse): Promise<void> {
    const ids = ((await jsonBody(request, this.maxBytes)).object_ids ?? []) as Body[];
    const ops = ids.map((id) => ({
      collection: text(id.collection),
      key: text(id.key),
      userId,
      version: text(id.version),
    }));
    await this.storage.delete(userId, ops).catch((error: Error) => {
      throw new ApiError(Code.InvalidArgument, error.message);
    });
    sendJson(response, 200, {});
  }
}

function apiObject(object: StorageObject): object {
  const time = (seconds: number): string => `${new Date(seconds * 1000).toISOString().slice(0, 19)}Z`;
  return {
    collection: object.collection,
    key: object.key,
    user_id: object.userId,
    value: object.value,
    version: object.version,
    ...(object.permissionRead === 0 ? {} : { permission_read: object.permissionRead }),
    ...(object.permissionWrite === 0 ? {} : { permission_write: object.permissionWrite }),
    create_time: time(object.createTime),
    update_time: time(object.updateTime),
  };
}
