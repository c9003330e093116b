/** The version of this build; a test holds it to package.json. */
export const VERSION = "2.5.0-dev";
