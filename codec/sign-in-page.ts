/** Where a person shows the token once, so that the Web UI in the same browser may have payloads decoded. */
export function signInPage(state: 'asked' | 'refused' | 'signed-in'): string {
  const said = {
    asked: 'Give the token (SAMFLOW_CODEC_TOKEN) to let the Web UI in this browser show decrypted payloads.',
    refused: 'That is not the token.',
    'signed-in': 'This browser may have payloads decoded for eight hours.',
  }[state];
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>samflow codec server</title>
<style>body { font: 1rem/1.5 system-ui, sans-serif; margin: 4rem auto; max-width: 32rem }</style>
<h1>samflow codec server</h1>
<p>${said}</p>
<form method="post" action="/session">
<label>Token <input type="password" name="token" autocomplete="off" required></label> <button>Sign in</button>
</form>
</html>
`;
}
