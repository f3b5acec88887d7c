import type { Simulator } from '../../dev/gameye/simulator.ts';
import type { Browser, Page } from '../../dev/stack/browser.ts';
import { until } from './helpers.ts';

/** The simulator's page, once it shows what there is. */
export async function openLive(browser: Browser, simulator: Simulator, width = 1280): Promise<Page> {
  const page = await browser.open(`${simulator.url}/_sim`);
  await page.look(width, 900, 'light');
  await until('it is live', () => page.evaluate("document.getElementById('connection').textContent === 'live'"));
  return page;
}

/** The texts of all that fit a selector, with `|` between them. */
export const textOf = (page: Page, selector: string): Promise<string> =>
  page.evaluate(`[...document.querySelectorAll(${JSON.stringify(selector)})].map((one) => one.textContent).join('|')`);

/** Waits until that text has these words. */
export const shows = (page: Page, selector: string, words: string | RegExp) =>
  until(`${selector} shows ${String(words)}`, async () => {
    const text = await textOf(page, selector);
    return typeof words === 'string' ? text.includes(words) : words.test(text);
  });

/** Clicks what has this label. */
export const click = (page: Page, label: string): Promise<void> =>
  page.evaluate(`document.querySelector('[aria-label=${JSON.stringify(label)}]').click()`);

/** Chooses or types as somebody does: the page hears of it. */
export const set = (page: Page, selector: string, value: string): Promise<void> =>
  page.evaluate(`{
    const field = document.querySelector(${JSON.stringify(selector)});
    field.value = ${JSON.stringify(value)};
    for (const name of ['input', 'change']) field.dispatchEvent(new Event(name, { bubbles: true }));
  }`);
