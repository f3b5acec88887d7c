/** Empties the module's tables between two tests; spectators go with their instances. */
export const EMPTY_TABLES = [
  'gameye_seat',
  'gameye_instance',
  'gameye_allocation',
  'gameye_control',
  'gameye_change',
  'gameye_usage',
  'gameye_result',
]
  .map((table) => `DELETE FROM ${table}`)
  .join('; ');
