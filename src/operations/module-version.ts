/** The version of this module: that of package.json, to which a test compares it. */
export const MODULE_VERSION = '0.1.0';
