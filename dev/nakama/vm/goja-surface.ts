// What Goja has, read off real servers with Reflect.ownKeys (3.40.0; what 3.22.0 lacks is listed below). Everything that V8
// has beyond this is removed from a VM, so that a module cannot come to depend on it.

/** Names of the global objects that a module finds beside its own. */
export const GLOBALS =
  'AggregateError Array ArrayBuffer BigInt BigInt64Array BigUint64Array Boolean DataView Date Error EvalError Float32Array Float64Array Function GoError GoError Infinity Int16Array Int32Array Int8Array JSON Map Math NaN Number Object Promise Proxy RangeError ReferenceError Reflect RegExp Set String Symbol SyntaxError TypeError URIError Uint16Array Uint32Array Uint8Array Uint8ClampedArray WeakMap WeakSet decodeURI decodeURIComponent encodeURI encodeURIComponent escape eval globalThis isFinite isNaN parseFloat parseInt undefined unescape';

/** For each global object: its own properties, and its prototype's. Symbols are left alone. */
export const PROPERTIES: Record<string, { own: string; proto: string }> = {
  AggregateError: { own: '', proto: 'message' },
  Array: {
    own: 'from isArray of',
    proto:
      'at concat copyWithin entries every fill filter find findIndex findLast findLastIndex flat flatMap forEach includes indexOf join keys lastIndexOf map pop push reduce reduceRight reverse shift slice some sort splice toLocaleString toReversed toSorted toSpliced toString unshift values with',
  },
  ArrayBuffer: { own: 'isView', proto: 'byteLength slice' },
  BigInt: { own: 'asIntN asUintN', proto: 'toLocaleString toString valueOf' },
  BigInt64Array: { own: 'BYTES_PER_ELEMENT', proto: 'BYTES_PER_ELEMENT' },
  BigUint64Array: { own: 'BYTES_PER_ELEMENT', proto: 'BYTES_PER_ELEMENT' },
  Boolean: { own: '', proto: 'toString valueOf' },
  DataView: {
    own: '',
    proto:
      'buffer byteLength byteOffset getBigInt64 getBigUint64 getFloat32 getFloat64 getInt16 getInt32 getInt8 getUint16 getUint32 getUint8 setBigInt64 setBigUint64 setFloat32 setFloat64 setInt16 setInt32 setInt8 setUint16 setUint32 setUint8',
  },
  Date: {
    own: 'UTC now parse',
    proto:
      'getDate getDay getFullYear getHours getMilliseconds getMinutes getMonth getSeconds getTime getTimezoneOffset getUTCDate getUTCDay getUTCFullYear getUTCHours getUTCMilliseconds getUTCMinutes getUTCMonth getUTCSeconds setDate setFullYear setHours setMilliseconds setMinutes setMonth setSeconds setTime setUTCDate setUTCFullYear setUTCHours setUTCMilliseconds setUTCMinutes setUTCMonth setUTCSeconds toDateString toISOString toJSON toLocaleDateString toLocaleString toLocaleTimeString toString toTimeString toUTCString valueOf',
  },
  Error: { own: '', proto: 'message toString' },
  EvalError: { own: '', proto: 'message' },
  Float32Array: { own: 'BYTES_PER_ELEMENT', proto: 'BYTES_PER_ELEMENT' },
  Float64Array: { own: 'BYTES_PER_ELEMENT', proto: 'BYTES_PER_ELEMENT' },
  Function: { own: '', proto: 'apply arguments bind call caller toString' },
  GoError: { own: '', proto: 'message' },
  Int16Array: { own: 'BYTES_PER_ELEMENT', proto: 'BYTES_PER_ELEMENT' },
  Int32Array: { own: 'BYTES_PER_ELEMENT', proto: 'BYTES_PER_ELEMENT' },
  Int8Array: { own: 'BYTES_PER_ELEMENT', proto: 'BYTES_PER_ELEMENT' },
  JSON: { own: 'parse stringify', proto: '' },
  Map: { own: '', proto: 'clear delete entries forEach get has keys set size values' },
  Math: {
    own: 'E LN10 LN2 LOG10E LOG2E PI SQRT1_2 SQRT2 abs acos acosh asin asinh atan atan2 atanh cbrt ceil clz32 cos cosh exp expm1 floor fround hypot imul log log10 log1p log2 max min pow random round sign sin sinh sqrt tan tanh trunc',
    proto: '',
  },
  Number: {
    own: 'EPSILON MAX_SAFE_INTEGER MAX_VALUE MIN_SAFE_INTEGER MIN_VALUE NEGATIVE_INFINITY NaN POSITIVE_INFINITY isFinite isInteger isNaN isSafeInteger parseFloat parseInt',
    proto: 'toExponential toFixed toLocaleString toPrecision toString valueOf',
  },
  Object: {
    own: 'assign create defineProperties defineProperty entries freeze fromEntries getOwnPropertyDescriptor getOwnPropertyDescriptors getOwnPropertyNames getOwnPropertySymbols getPrototypeOf hasOwn is isExtensible isFrozen isSealed keys preventExtensions seal setPrototypeOf values',
    proto: '__proto__ hasOwnProperty isPrototypeOf propertyIsEnumerable toLocaleString toString valueOf',
  },
  Promise: { own: 'all allSettled any race reject resolve', proto: 'catch finally then' },
  Proxy: { own: 'revocable', proto: '' },
  RangeError: { own: '', proto: 'message' },
  ReferenceError: { own: '', proto: 'message' },
  Reflect: {
    own: 'apply construct defineProperty deleteProperty get getOwnPropertyDescriptor getPrototypeOf has isExtensible ownKeys preventExtensions set setPrototypeOf',
    proto: '',
  },
  RegExp: {
    own: '',
    proto: 'compile dotAll exec flags global ignoreCase multiline source sticky test toString unicode',
  },
  Set: { own: '', proto: 'add clear delete entries forEach has keys size values' },
  String: {
    own: 'fromCharCode fromCodePoint raw',
    proto:
      'at charAt charCodeAt codePointAt concat endsWith includes indexOf lastIndexOf localeCompare match matchAll normalize padEnd padStart repeat replace replaceAll search slice split startsWith substr substring toLocaleLowerCase toLocaleUpperCase toLowerCase toString toUpperCase trim trimEnd trimLeft trimRight trimStart valueOf',
  },
  Symbol: {
    own: 'for hasInstance isConcatSpreadable iterator keyFor match matchAll replace search species split toPrimitive toStringTag unscopables',
    proto: 'description toString valueOf',
  },
  SyntaxError: { own: '', proto: 'message' },
  TypeError: { own: '', proto: 'message' },
  URIError: { own: '', proto: 'message' },
  Uint16Array: { own: 'BYTES_PER_ELEMENT', proto: 'BYTES_PER_ELEMENT' },
  Uint32Array: { own: 'BYTES_PER_ELEMENT', proto: 'BYTES_PER_ELEMENT' },
  Uint8Array: { own: 'BYTES_PER_ELEMENT', proto: 'BYTES_PER_ELEMENT' },
  Uint8ClampedArray: { own: 'BYTES_PER_ELEMENT', proto: 'BYTES_PER_ELEMENT' },
  WeakMap: { own: '', proto: 'delete get has set' },
  WeakSet: { own: '', proto: 'add delete has' },
};

/** The prototype that all typed arrays share. */
export const TYPED_ARRAY = {
  own: 'from of',
  proto:
    'at buffer byteLength byteOffset copyWithin entries every fill filter find findIndex findLast findLastIndex forEach includes indexOf join keys lastIndexOf map reduce reduceRight reverse set slice some sort subarray toLocaleString toReversed toSorted toString values with',
};

/** Absent before 3.25. */
export const GLOBALS_SINCE_3_25 = 'BigInt BigInt64Array BigUint64Array';

export const PROPERTIES_SINCE_3_25: Record<string, string> = {
  Array: 'toReversed toSorted toSpliced with',
  DataView: 'getBigInt64 getBigUint64 setBigInt64 setBigUint64',
  RegExp: 'dotAll',
  TypedArray: 'toReversed toSorted with',
};
