import { randomInt, randomUUID, scryptSync, timingSafeEqual } from 'node:crypto';
import type pg from 'pg';
import { transaction } from './database.ts';
import { ApiError, Code } from './failure.ts';

interface UserRow {
  id: string;
  username: string;
  display_name: string;
  metadata: object;
  email: string | null;
  custom_id: string | null;
  create_time: Date;
  update_time: Date;
  devices: string[];
}

/** How an account is found: a device's id, a custom id, or an email address with its password. */
export type Credential = { kind: 'device' | 'custom'; id: string } | { kind: 'email'; email: string; password: string };

const COLUMNS = `id, username, display_name, metadata, email, custom_id, create_time, update_time,
  ARRAY(SELECT d.id FROM user_device d WHERE d.user_id = users.id) AS devices`;
const LETTERS = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ';

const seconds = (date: Date): number => Math.floor(date.getTime() / 1000);

export function generateUsername(): string {
  return Array.from({ length: 10 }, () => LETTERS[randomInt(LETTERS.length)]!).join('');
}

/** Accounts: authentication creates them, modules and clients read them. */
export class Users {
  constructor(
    private readonly pool: pg.Pool,
    private readonly isOnline: (userId: string) => boolean,
  ) {}

  /** @throws ApiError with the real server's texts. */
  async authenticate(
    credential: Credential,
    username: string,
    create: boolean,
  ): Promise<{ userId: string; username: string; created: boolean }> {
    validate(credential, username);
    const found = await this.find(credential);
    if (found !== null) return { userId: found.id, username: found.username, created: false };
    if (!create) throw new ApiError(Code.NotFound, 'User account not found.');
    const name = username === '' ? generateUsername() : username;
    const userId = randomUUID();
    try {
      await transaction(this.pool, async (client) => {
        const email = credential.kind === 'email' ? credential.email : null;
        const password = credential.kind === 'email' ? hashPassword(credential.password) : null;
        const customId = credential.kind === 'custom' ? credential.id : null;
        const columns = 'id, username, email, password, custom_id';
        await client.query(`INSERT INTO users (${columns}) VALUES ($1, $2, $3, $4, $5)`, [
          userId,
          name,
          email,
          password,
          customId,
        ]);
        if (credential.kind === 'device')
          await client.query('INSERT INTO user_device (id, user_id) VALUES ($1, $2)', [credential.id, userId]);
      });
    } catch (error) {
      const { constraint } = error as pg.DatabaseError;
      if (constraint === 'users_username_key') throw new ApiError(Code.AlreadyExists, 'Username is already in use.');
      // Somebody created the same account in the meantime: then it exists now.
      const now = constraint === undefined ? null : await this.find(credential);
      if (now === null) throw error;
      return { userId: now.id, username: now.username, created: false };
    }
    return { userId, username: name, created: true };
  }

  private async find(credential: Credential): Promise<{ id: string; username: string } | null> {
    if (credential.kind === 'device') {
      const text = 'SELECT users.id, username FROM users JOIN user_device d ON d.user_id = users.id WHERE d.id = $1';
      return (await this.pool.query<{ id: string; username: string }>(text, [credential.id])).rows[0] ?? null;
    }
    const column = credential.kind === 'email' ? 'email' : 'custom_id';
    const value = credential.kind === 'email' ? credential.email : credential.id;
    const text = `SELECT id, username, password FROM users WHERE ${column} = $1`;
    const row = (await this.pool.query<{ id: string; username: string; password: string }>(text, [value])).rows[0];
    if (row === undefined) return null;
    if (credential.kind === 'email' && !passwordFits(credential.password, row.password))
      throw new ApiError(Code.Unauthenticated, 'Invalid credentials.');
    return row;
  }

  /** What `nk.usersGetId` returns: unknown ids are left out. */
  async get(ids: string[]): Promise<object[]> {
    return (await this.rows(ids)).map((row) => this.user(row));
  }

  /** What `nk.accountsGetId` returns. */
  async accounts(ids: string[]): Promise<object[]> {
    return (await this.rows(ids)).map((row) => {
      const account: Record<string, unknown> = { user: this.user(row), wallet: {} };
      if (row.email !== null) account.email = row.email;
      if (row.custom_id !== null) account.customId = row.custom_id;
      if (row.devices.length > 0) account.devices = row.devices.map((id) => ({ id }));
      return account;
    });
  }

  async account(id: string): Promise<object> {
    const account = (await this.accounts([id]))[0];
    if (account === undefined) throw new Error('account not found');
    return account;
  }

  /** `GET /v2/account`. */
  async apiAccount(id: string): Promise<object> {
    const row = (await this.rows([id]))[0];
    if (row === undefined) throw new ApiError(Code.NotFound, 'Account not found.');
    const user: Record<string, unknown> = {
      id: row.id,
      username: row.username,
      lang_tag: 'en',
      metadata: JSON.stringify(row.metadata),
    };
    if (row.display_name !== '') user.display_name = row.display_name;
    if (this.isOnline(id)) user.online = true;
    const time = (date: Date): string => `${date.toISOString().slice(0, 19)}Z`;
    const account: Record<string, unknown> = {
      user: { ...user, create_time: time(row.create_time), update_time: time(row.update_time) },
      wallet: '{}',
    };
    if (row.email !== null) account.email = row.email;
    if (row.devices.length > 0) account.devices = row.devices.map((device) => ({ id: device }));
    if (row.custom_id !== null) account.custom_id = row.custom_id;
    return account;
  }

  private async rows(ids: string[]): Promise<UserRow[]> {
    return (await this.pool.query<UserRow>(`SELECT ${COLUMNS} FROM users WHERE id = ANY($1::uuid[])`, [ids])).rows;
  }

  private user(row: UserRow): object {
    return {
      userId: row.id,
      username: row.username,
      displayName: row.display_name,
      avatarUrl: '',
      langTag: 'en',
      location: '',
      timezone: '',
      online: this.isOnline(row.id),
      edgeCount: 0,
      createTime: seconds(row.create_time),
      updateTime: seconds(row.update_time),
      metadata: row.metadata,
    };
  }
}

function validate(credential: Credential, username: string): void {
  const refuse = (message: string): never => {
    throw new ApiError(Code.InvalidArgument, message);
  };
  const control = /[\p{Cc}\s]/u;
  if (credential.kind === 'email') {
    const { email, password } = credential;
    if (email === '' || password === '') refuse('Email address and password is required.');
    if (control.test(email)) refuse('Invalid email address, no spaces or control characters allowed.');
    if (!/^.+@.+\..+$/.test(email)) refuse('Invalid email address format.');
    if (Buffer.byteLength(email) < 10 || Buffer.byteLength(email) > 255)
      refuse('Invalid email address, must be 10-255 bytes.');
    if (password.length < 8) refuse('Password must be at least 8 characters long.');
  } else {
    const [what, least] = credential.kind === 'device' ? ['Device ID', 10] : ['Custom ID', 6];
    const size = Buffer.byteLength(credential.id);
    if (size === 0) refuse(`${what} is required.`);
    if (control.test(credential.id)) refuse(`${what} invalid, no spaces or control characters allowed.`);
    if (size < least || size > 128) refuse(`${what} invalid, must be ${least}-128 bytes.`);
  }
  if (control.test(username)) refuse('Username invalid, no spaces or control characters allowed.');
  if (Buffer.byteLength(username) > 128) refuse('Username invalid, must be 1-128 bytes.');
}

function hashPassword(password: string, salt: string = randomUUID()): string {
  return `${salt}:${scryptSync(password, salt, 32).toString('hex')}`;
}

function passwordFits(password: string, stored: string): boolean {
  return timingSafeEqual(Buffer.from(hashPassword(password, stored.split(':')[0])), Buffer.from(stored));
}
