// A provider of OpenID Connect for tests, on 127.0.0.1. Its argument is a JSON object:
//
//   port       where it listens
//   client     the metadata of the one client
//   accounts   path of a JSON file {NAME: {groups: [...], email: ...}}, read for each question
//   inToken    true: the claims of scopes are in the ID token; else in userinfo alone
//   lifetime   seconds that its tokens are valid
//
// Anybody may log in under any name of the file; the password is not looked at. It prints
// one line when it listens.

import { readFileSync } from "node:fs";
import { Provider } from "oidc-provider";

const options = JSON.parse(process.argv[2]);

const provider = new Provider(`http://127.0.0.1:${options.port}`, {
  clients: [options.client],
  claims: { openid: ["sub"], profile: ["preferred_username"], email: ["email", "email_verified"], groups: ["groups"] },
  conformIdTokenClaims: !options.inToken,
  scopes: ["openid", "profile", "email", "groups"],
  pkce: { required: () => true },
  ttl: { IdToken: options.lifetime, AccessToken: options.lifetime, Grant: 3600, Session: 3600, Interaction: 3600 },
  cookies: { keys: ["of the tests"] },
  findAccount(_, name) {
    const account = (JSON.parse(readFileSync(options.accounts, "utf8")) ?? {})[name];
    return account && { accountId: name, claims: () => ({ sub: name, preferred_username: name, ...account }) };
  },
});

provider.listen(options.port, "127.0.0.1", () => console.log("ready"));
process.stdin.resume();
process.stdin.on("end", () => process.exit());
