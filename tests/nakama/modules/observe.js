/* eslint-disable @typescript-eslint/no-unused-vars, @typescript-eslint/no-unused-expressions -- signatures that Nakama calls, mistakes on purpose */
// Observations of the runtime, made by the same module on a real Nakama and on the embedded one. Each is what a call
// returns or how it fails, as JSON. What differs by nature (line numbers, orders of Go maps) is left out.

function observe(ctx, logger, nk) {
  var out = {};
  function t(name, f) {
    try {
      out[name] = f();
    } catch (e) {
      out[name] = ['threw', e && e.name, e && e.message, e instanceof Error, Object.keys(e)];
    }
  }
  t('httpRefused', function () {
    return nk.httpRequest('http://127.0.0.1:1/x', 'post', { a: 'b' }, '{}');
  });
  t('httpScheme', function () {
    return nk.httpRequest('ftp://127.0.0.1/x', 'get');
  });
  t('httpUndefinedHeader', function () {
    return nk.httpRequest('http://127.0.0.1:1/x', 'get', { a: undefined });
  });
  t('httpNoUrl', function () {
    return nk.httpRequest('', 'get');
  });
  t('httpHost', function () {
    return nk.httpRequest('http://a b/', 'get');
  });
  t('httpMethod', function () {
    return nk.httpRequest('http://127.0.0.1:1/x', 'options');
  });
  t('httpTimeout', function () {
    return nk.httpRequest('http://127.0.0.1:1/x', 'get', {}, '', 1.5);
  });
  t('httpNoScheme', function () {
    return nk.httpRequest('127.0.0.1/x', 'get');
  });
  t('httpPort', function () {
    return nk.httpRequest('http://127.0.0.1:99999/x', 'get');
  });
  t('httpHeaderName', function () {
    return nk.httpRequest('http://127.0.0.1:1/x', 'get', { 'bad header': 'x' });
  });
  t('httpHeaderValue', function () {
    return nk.httpRequest('http://127.0.0.1:1/x', 'get', { h: 'x\ny' });
  });
  t('match', function () {
    return nk.matchCreate('nope', {});
  });
  t('match2', function () {
    return nk.matchCreate('m', null);
  });
  t('match3', function () {
    return nk.matchCreate('m', { d: new Date() });
  });
  t('match4', function () {
    return nk.matchGet('x');
  });
  t('match5', function () {
    return nk.matchGet('5f0c5b3e-6b6e-4a54-9d7f-0a3a0c5b3e6b.n1');
  });
  t('match6', function () {
    return nk.matchSignal('5f0c5b3e-6b6e-4a54-9d7f-0a3a0c5b3e6b.n1', 'x');
  });
  t('match7', function () {
    return nk.matchSignal('bad', 'x');
  });
  t('match9', function () {
    return nk.matchCreate('bad', { kind: 'norate' });
  });
  t('match10', function () {
    return nk.matchCreate('bad', { kind: 'rate' });
  });
  t('match11', function () {
    return nk.matchCreate('bad', { kind: 'nostate' });
  });
  t('match13', function () {
    return nk.matchCreate('bad', { kind: 'null' });
  });
  t('match14', function () {
    return nk.matchCreate('bad', { kind: 'label' });
  });
  t('matchNullState', function () {
    return nk.matchCreate('bad', { kind: 'nullstate' });
  });
  t('match15', function () {
    return nk.matchCreate('m', { f: function () {} });
  });
  t('match16', function () {
    return nk.matchCreate('m', { m: new Map() });
  });
  t('match17', function () {
    return nk.matchCreate('bad', { kind: 'longlabel' });
  });
  t('notif', function () {
    return nk.notificationsSend([
      { userId: '5f0c5b3e-6b6e-4a54-9d7f-0a3a0c5b3e6b', subject: 's', content: {}, code: 1, persistent: true },
    ]);
  });
  t('notif2', function () {
    return nk.notificationsSend([
      { userId: '5f0c5b3e-6b6e-4a54-9d7f-0a3a0c5b3e6b', subject: 's', content: {}, code: 1, senderId: undefined },
    ]);
  });
  t('cache', function () {
    nk.localcachePut('a', 'b');
    return [nk.localcacheGet('a'), nk.localcacheGet('zz') === undefined, nk.localcacheGet('zz', 5)];
  });
  t('cache2', function () {
    nk.localcachePut('a', {});
  });
  t('cache3', function () {
    nk.localcachePut('a', 'b', -1);
  });
  t('users', function () {
    return nk.usersGetId(['00000000-0000-0000-0000-000000000000']);
  });
  t('users2', function () {
    return nk.usersGetId(['5f0c5b3e-6b6e-4a54-9d7f-0a3a0c5b3e6b']);
  });
  t('account', function () {
    return nk.accountGetId('5f0c5b3e-6b6e-4a54-9d7f-0a3a0c5b3e6b');
  });
  t('b64bad', function () {
    return nk.base64Decode('!!');
  });
  t('b64bad2', function () {
    return nk.base64Encode(5);
  });
  t('jwt', function () {
    return nk.jwtGenerate('HS256', 'k', { a: 1 });
  });
  t('jwtJson', function () {
    return nk.jwtGenerate('HS256', 'k', {
      b: 1,
      a: '<&>\u2028\b\f\n"',
      z: [1, { y: undefined }],
      n: null,
      d: 1.5,
      big: 1e21,
      small: 1e-7,
      date: new Date(0),
      m: new Map([[1, 2]]),
      s: new Set([3]),
    });
  });
  t('jwtNaN', function () {
    return nk.jwtGenerate('HS256', 'k', { x: NaN });
  });
  t('jwtFunction', function () {
    return nk.jwtGenerate('HS256', 'k', { x: function () {} });
  });
  t('jwt2', function () {
    return nk.jwtGenerate('X', 'k', { a: 1 });
  });
  t('token', function () {
    return Object.keys(nk.authenticateTokenGenerate('5f0c5b3e-6b6e-4a54-9d7f-0a3a0c5b3e6b', 'u', 5, { a: 'b' })).sort();
  });
  t('token2', function () {
    return nk.authenticateTokenGenerate('x', 'u');
  });
  t('file', function () {
    return nk.fileRead('nope');
  });
  t('metrics', function () {
    nk.metricsCounterAdd('x', {}, 1);
    nk.metricsGaugeSet('g', {}, 1.5);
    nk.metricsTimerRecord('t', {}, 5);
    return 1;
  });
  t('metrics2', function () {
    nk.metricsCounterAdd('x', { a: 1 }, 1);
  });
  t('metrics3', function () {
    nk.metricsCounterAdd('x', undefined, 1);
  });
  t('err3', function () {
    nope;
  });
  t('loggerstr', function () {
    logger.info(5);
  });
  t('withField', function () {
    logger.withField('a', 1);
  });
  t('hash', function () {
    return [
      nk.sha256Hash('a'),
      nk.md5Hash('a'),
      nk.base64Encode('aé'),
      nk.base64UrlEncode('a?>', false),
      nk.base16Encode('az'),
      nk.binaryToString(nk.base64Decode('YQ==')),
      nk.binaryToString(nk.base64Decode('YQ')),
      nk.base16Encode(nk.hmacSha256Hash('a', 'k')),
    ];
  });
  t('goError', function () {
    try {
      nk.base64Decode('!!');
    } catch (e) {
      return [
        String(e),
        Object.prototype.toString.call(e),
        typeof e.stack,
        e.constructor && e.constructor.name,
        Object.getPrototypeOf(e) === GoError.prototype,
        JSON.stringify(e),
      ];
    }
  });
  t('ctx', function () {
    return [Object.keys(ctx).sort(), ctx.env.nope === undefined, ctx.queryParams, ctx.executionMode];
  });
  t('fields', function () {
    return [logger.withField('k', 'v').getFields(), logger.getFields()];
  });
  t('nk', function () {
    return Object.keys(nk).sort().join(' ');
  });
  nk.matchCreate('m', {});
  logger.info(
    'FMT %s %d %v %v %v %q %5.2f|%6d|%-4s|%x %t %% %s',
    'a',
    5,
    { b: 1, a: [1, 'x', null, true] },
    undefined,
    1.5,
    'q"',
    3.14159,
    42,
    'l',
    255,
    true,
  );
  logger.info('FMT extra', 1, 'a');
  logger.info('FMT %d', 'x');
  logger.info('FMT %v %v %v', new Date(0), new Map([[1, 2]]), [undefined, null]);
  return JSON.stringify(out);
}

function thrower(ctx, logger, nk, payload) {
  switch (payload) {
    case 'error':
      throw new Error('boom');
    case 'plain':
      throw { message: 'no', code: 5 };
    case 'code':
      throw { code: 7 };
    case 'coded': {
      var e = new Error('coded');
      e.code = 9;
      throw e;
    }
    case 'string':
      throw 'text';
    case 'null':
      throw null;
    case 'number':
      return 5;
    case 'object':
      return { a: 1 };
    case 'unknown':
      throw { message: 'x', code: 99 };
    case 'fraction':
      throw { message: 'x', code: 1.5 };
  }
}

class Thing {
  constructor() {
    this.a = 1;
  }
}
function mInit(ctx, logger, nk, params) {
  return {
    state: {
      n: 0,
      map: new Map([[1, 2]]),
      set: new Set([1]),
      date: new Date(0),
      undef: undefined,
      nul: null,
      cls: new Thing(),
      nan: NaN,
      arr: [1, [2]],
      buf: new Uint8Array([1, 2]).buffer,
      u8: new Uint8Array([1, 2]),
      neg0: -0,
      big: 1e300,
      sym: 'x',
      nested: { m: new Map([['a', { b: 1 }]]) },
    },
    tickRate: 10,
    label: '',
  };
}
function mLoop(ctx, logger, nk, d, tick, state, msgs) {
  if (tick < 2) {
    var o = {};
    Object.keys(state)
      .sort()
      .forEach(function (k) {
        var v = state[k];
        o[k] =
          (k === 'date' ? String(v) : Object.prototype.toString.call(v)) +
          ' ' +
          typeof v +
          ' ' +
          Array.isArray(v) +
          ' ' +
          (v && typeof v === 'object' ? JSON.stringify(v) : String(v));
      });
    logger.info('STATE ' + tick + ' ' + JSON.stringify(o));
    return { state: state };
  }
  return null;
}
function mJoinAttempt(ctx, logger, nk, d, tick, state, p, m) {
  return { state: state, accept: true };
}
function mJoin(ctx, logger, nk, d, tick, state, p) {
  return { state: state };
}
function mLeave(ctx, logger, nk, d, tick, state, p) {
  return { state: state };
}
function mTerm(ctx, logger, nk, d, tick, state, g) {
  return { state: state };
}
function mSignal(ctx, logger, nk, d, tick, state, data) {
  return { state: state, data: 'pong' + data };
}
function bInit(ctx, logger, nk, params) {
  switch (params.kind) {
    case 'norate':
      return { state: {} };
    case 'rate':
      return { state: {}, tickRate: 61 };
    case 'nostate':
      return { tickRate: 1 };
    case 'throw':
      throw new Error('init boom');
    case 'null':
      return null;
    case 'nullstate':
      return { state: null, tickRate: 1 };
    case 'label':
      return { state: {}, tickRate: 1, label: 5 };
    case 'longlabel':
      return { state: {}, tickRate: 1, label: 'x'.repeat(3000) };
  }
}

function InitModule(ctx, logger, nk, initializer) {
  initializer.registerRpc('observe', observe);
  initializer.registerRpc('thrower', thrower);
  initializer.registerMatch('m', {
    matchInit: mInit,
    matchJoinAttempt: mJoinAttempt,
    matchJoin: mJoin,
    matchLeave: mLeave,
    matchLoop: mLoop,
    matchTerminate: mTerm,
    matchSignal: mSignal,
  });
  initializer.registerMatch('bad', {
    matchInit: bInit,
    matchJoinAttempt: mJoinAttempt,
    matchJoin: mJoin,
    matchLeave: mLeave,
    matchLoop: mLoop,
    matchTerminate: mTerm,
    matchSignal: mSignal,
  });
}
