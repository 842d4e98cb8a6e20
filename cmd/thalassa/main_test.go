package main

import (
	"strings"
	"testing"

	"thalassa/cli"
)

// A setting that only a part of the agent can judge ends the program as a wrong
// command line does.
func TestSettingsThatThePartsRefuse(t *testing.T) {
	for flags, says := range map[string]string{
		"--service-reg ftp://x":   "setting up discovery",
		"--consul-ca-file /no/ca": "/no/ca",
		"--template-file /no/t":   "setting up the agent: reading the template: open /no/t",
		"--token-file /no/tokens": "thalassa: reading tokens: open /no/tokens",
	} {
		var out, errs strings.Builder
		args := append([]string{"agent", "--port", "0", "--db-path", t.TempDir()}, strings.Fields(flags)...)
		code := run(t.Context(), nil, args, cli.Environment{
			Program: "thalassa", Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errs, Getenv: func(string) string { return "" },
		})
		if code != 2 || out.Len() > 0 || !strings.Contains(errs.String(), says) {
			t.Errorf("%s: exit code %d, stdout %q, stderr %q, expected it to hold %q", flags, code, &out, &errs, says)
		}
	}
}
