// The embedded runtime's command line, which is Nakama's.

import { migrate } from './database.ts';
import { parseCommand, type Command } from './flags.ts';
import { createLog } from './log.ts';
import { startServer } from './server.ts';
import { BANNER } from './banner.ts';

async function run(command: Command): Promise<void> {
  switch (command.kind) {
    case 'version':
      console.log(`${command.config.embeddedVersion}+embedded`);
      return;
    case 'healthcheck': {
      const response = await fetch(`http://127.0.0.1:${command.port}/`);
      if (response.status !== 200) throw new Error(`healthcheck: status ${response.status}`);
      return;
    }
    case 'migrate':
      await migrate(command.config.databaseAddress);
      return;
    case 'serve': {
      const { config } = command;
      const log = createLog(config.logLevel);
      log.info(BANNER, { version: `${config.embeddedVersion}+embedded`, runtime: 'embedded' });
      const die = (message: string): void => {
        log.write('fatal', message);
        process.exit(2);
      };
      try {
        const server = await startServer(config, log, die);
        const stop = (): void => void server.shutdown().then(() => process.exit(0));
        process.on('SIGTERM', stop);
        process.on('SIGINT', stop);
        log.info('Startup done');
      } catch (error) {
        log.write('fatal', 'Failed initializing runtime modules', { error: (error as Error).message });
        process.exit(1);
      }
    }
  }
}

try {
  await run(parseCommand(process.argv.slice(2)));
} catch (error) {
  console.error((error as Error).message);
  process.exit(1);
}
