import { onTestFinished } from 'vitest';
import type { Browser } from 'playwright-core';
import type { Simulator } from '../../dev/gameye/simulator.ts';
import { openPage, type WatchedPage } from '../../dev/stack/browser.ts';
import { until } from './helpers.ts';

type Page = WatchedPage;

/** The simulator's page, once it shows what there is. */
export async function openLive(browser: Browser, simulator: Simulator, width = 1280): Promise<Page> {
  const page = await openPage(browser, `${simulator.url}/_sim`);
  onTestFinished(() => page.close());
  await page.setViewportSize({ width, height: 900 });
  await until('it is live', async () => (await page.textContent('#connection')) === 'live');
  return page;
}

/** The texts of all that fit a selector, with `|` between them. */
export const textOf = async (page: Page, selector: string): Promise<string> =>
  (await page.locator(selector).allTextContents()).join('|');

/** Waits until that text has these words. */
export const shows = (page: Page, selector: string, words: string | RegExp) =>
  until(`${selector} shows ${String(words)}`, async () => {
    const text = await textOf(page, selector);
    return typeof words === 'string' ? text.includes(words) : words.test(text);
  });

/** Clicks what has this label. */
export const click = (page: Page, label: string): Promise<void> => page.getByLabel(label, { exact: true }).click();

/** Chooses or types as somebody does: the page hears of it. */
export async function set(page: Page, selector: string, value: string): Promise<void> {
  const field = page.locator(selector);
  if ((await field.evaluate((node: { tagName: string }) => node.tagName)) === 'SELECT') {
    await field.selectOption(value);
    return;
  }
  await field.fill(value);
  await field.blur();
}
