import type { Bridge } from './bridge.ts';
import { serverFunctions } from './nk-server.ts';
import { utilFunctions } from './nk-utils.ts';
import { define } from './values.ts';

// What real servers list in Object.keys(nk) and this runtime does not have.
const NOT_IMPLEMENTED =
  'accountDeleteId accountExportId accountUpdateId aes128Decrypt aes128Encrypt aes256Decrypt aes256Encrypt ' +
  'authenticateApple authenticateCustom authenticateDevice authenticateEmail authenticateFacebook ' +
  'authenticateFacebookInstantGame authenticateGameCenter authenticateGoogle authenticateSteam bcryptCompare ' +
  'bcryptHash channelIdBuild channelMessageRemove channelMessageSend channelMessageUpdate channelMessagesList ' +
  'cronNext cronPrev event friendsAdd friendsBlock friendsDelete friendsOfFriendsList getSatori ' +
  'groupCreate groupDelete groupUpdate groupUserJoin groupUserLeave groupUsersAdd groupUsersBan groupUsersDemote ' +
  'groupUsersKick groupUsersList groupUsersPromote groupsGetId groupsGetRandom groupsList ' +
  'leaderboardDelete leaderboardList leaderboardRecordDelete leaderboardRecordsHaystack ' +
  'leaderboardRecordsList leaderboardRecordsListCursorFromRank leaderboardsGetId linkApple linkCustom linkDevice ' +
  'linkEmail linkFacebook linkFacebookInstantGame linkGameCenter linkGoogle linkSteam multiUpdate notificationSendAll ' +
  'notificationsDelete purchaseGetByTransactionId purchaseValidateApple purchaseValidateFacebookInstant ' +
  'purchaseValidateGoogle purchaseValidateHuawei purchasesList rsaSha256Hash sessionDisconnect sessionLogout ' +
  'storageDelete storageIndexList storageList storageRead storageWrite streamClose streamCount streamSend ' +
  'streamSendRaw streamUserGet streamUserJoin streamUserKick streamUserLeave ' +
  'streamUserUpdate subscriptionGetByProductId subscriptionValidateApple subscriptionValidateGoogle subscriptionsList tournamentAddAttempt tournamentCreate tournamentDelete ' +
  'tournamentJoin tournamentList tournamentRecordDelete tournamentRecordWrite tournamentRecordsHaystack ' +
  'tournamentRecordsList tournamentsGetId unlinkApple unlinkCustom unlinkDevice unlinkEmail unlinkFacebook ' +
  'unlinkFacebookInstantGame unlinkGameCenter unlinkGoogle unlinkSteam userGroupsList usersBanId usersGetRandom ' +
  'usersGetUsername usersUnbanId walletLedgerList walletLedgerUpdate walletUpdate walletsUpdate';

/** The same for functions that 3.22.0 does not have and 3.40.0 does. */
const NOT_IMPLEMENTED_LATER =
  'accountImportId friendMetadataUpdate leaderboardRanksDisable notificationsDeleteId notificationsGetId ' +
  'notificationsList notificationsUpdate partyList purchaseValidateSamsung statusFollow statusUnfollow ' +
  'storageWriteRetry tournamentsRanksDisable usersGetFriendStatus';

/** The `nk` object of a VM. Functions that only Nakama has say so when they are called. */
export function createNk(bridge: Bridge, load: NodeJS.Require, version: string, modulePath: string): object {
  const nk = {};
  const functions = {
    ...utilFunctions(load, version),
    ...serverFunctions(bridge, load, version, modulePath),
  };
  for (const [name, fn] of Object.entries(functions)) define(nk, name, fn);
  const later = Number(version.split('.')[1]) > 22 ? NOT_IMPLEMENTED_LATER.split(' ') : [];
  for (const name of [...NOT_IMPLEMENTED.split(' '), ...later]) {
    define(nk, name, () => {
      throw new Error(`the embedded runtime does not implement nk.${name}`);
    });
  }
  return nk;
}
