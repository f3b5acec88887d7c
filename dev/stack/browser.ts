import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { chromium, type Browser, type Page } from 'playwright-core';
import { browserCandidates, type BrowserProgram } from './browser-programs.ts';
import { cacheDir } from './paths.ts';

/** What to do when no browser works. */
export const HOW_TO_GET_ONE =
  'Install Chromium or Chrome, or set CHROME_BIN=/path/to/one. On Linux x64 npm ci brings one.';

/** A browser that works has shown its first page by then, on a busy machine too. */
const DEADLINE_MS = 10_000;

/*
 * The sandbox needs rights that root and containers do not have; only pages of this machine are loaded. The rest keeps the
 * browser from asking its maker's servers for anything: many connections that a closed network refuses slow it down.
 */
const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--disable-sync'];

/** A running browser without a window, and where it comes from. */
export interface StartedBrowser {
  from: string;
  browser: Browser;
}

/** A tab that remembers what happened in it. */
export type WatchedPage = Page & {
  /** The urls that the page asked for, in order. */
  readonly requested: string[];
  /** Uncaught errors of its scripts, and what the browser complained about. */
  readonly complaints: string[];
};

/**
 * Starts the first browser of this machine that loads a page; undefined when none does. It ends with this process. Rejects
 * when CHROME_BIN names one that does not work, because somebody meant it.
 */
export async function startBrowser(deadlineMs = DEADLINE_MS): Promise<StartedBrowser | undefined> {
  for await (const program of browserCandidates()) {
    try {
      return { from: program.from, browser: await launch(program, deadlineMs) };
    } catch (error) {
      if (program.isDemanded) throw new Error(`${program.from} loads no page: ${(error as Error).message}`);
    }
  }
  return undefined;
}

async function launch(program: BrowserProgram, timeout: number): Promise<Browser> {
  const home = path.join(cacheDir, 'browser-home');
  await mkdir(home, { recursive: true });
  const browser = await chromium.launch({
    executablePath: program.binary,
    args: FLAGS,
    env: { PATH: process.env['PATH'] ?? '', HOME: home, ...program.env },
    timeout,
  });
  try {
    await loadPage(browser, timeout);
    return browser;
  } catch (error) {
    await browser.close();
    throw error;
  }
}

/** Some browsers start, and then load nothing: what is missing shows with a page only. */
async function loadPage(browser: Browser, timeout: number): Promise<void> {
  const server = createServer((_request, response) => {
    response.setHeader('content-type', 'text/html').end('<title>It works</title>');
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  try {
    const page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`, { timeout });
    if ((await page.title()) !== 'It works') throw new Error('its first page is empty');
    await page.close();
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

/** A new tab with this page, loaded. */
export async function openPage(browser: Browser, url: string): Promise<WatchedPage> {
  const requested: string[] = [];
  const complaints: string[] = [];
  const page = await browser.newPage();
  page.on('request', (request) => void requested.push(request.url()));
  page.on('pageerror', (error) => void complaints.push(error.message));
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text());
  });
  await page.goto(url);
  return Object.assign(page, { requested, complaints });
}
