import type { InstanceRow } from './evidence.ts';

/** What is wrong with the seats of instances that were read at one moment: nothing of it may ever be seen. */
export function seatProblems(instances: InstanceRow[]): string[] {
  const problems: string[] = [];
  const seen = new Map<string, string>();
  for (const row of instances) {
    const { id, playerCount, maxPlayers, openSeats, reserved, joined, unseated, reservedSeats, joinedSeats } = row;
    const seats = reservedSeats.length + joinedSeats.length;
    if (Math.max(playerCount, seats) > maxPlayers) {
      problems.push(`session ${id}: ${playerCount} players, ${seats} seats taken, of ${maxPlayers}`);
    }
    const isCounted = reserved === reservedSeats.length && joined === joinedSeats.length;
    const isSum = playerCount === reserved + joined + unseated && openSeats === Math.max(0, maxPlayers - playerCount);
    if (!isCounted || !isSum) {
      problems.push(
        `session ${id} counts ${reserved} reserved, ${joined} joined, ${unseated} without a seat, ${playerCount} in all, ` +
          `${openSeats} open of ${maxPlayers}; it has ${reservedSeats.length} reserved and ${joinedSeats.length} joined seats`,
      );
    }
    for (const userId of [...reservedSeats, ...joinedSeats]) {
      const other = seen.get(userId);
      if (other !== undefined) problems.push(`player ${userId} has seats in session ${other} and in session ${id}`);
      seen.set(userId, id);
    }
  }
  return problems;
}
