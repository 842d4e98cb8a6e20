package cli_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"thalassa/activity"
	"thalassa/api/apitest"
	"thalassa/cli"
	"thalassa/lb"
	"thalassa/template"
)

func TestWrongCommandLines(t *testing.T) {
	s := open(t)
	for command, says := range map[string]string{
		"bakends":                      `thalassa: there is no command "bakends", did you mean backends?; see thalassa --help`,
		"foo":                          `there is no command "foo"; see thalassa --help`,
		"staus":                        `there is no command "staus", did you mean status?`,
		"xyzzy":                        `there is no command "xyzzy"; see thalassa --help`,
		"backends puts":                `there is no command "puts", did you mean put?; see thalassa backends --help`,
		"help xyzzy":                   `there is no command "xyzzy"`,
		"help backends xyzzy":          `there is no command "xyzzy"; see thalassa backends --help`,
		"status now":                   `status takes no arguments, got ["now"]; see thalassa status --help`,
		"agent now":                    "takes no arguments",
		"check now":                    "takes no arguments",
		"dev now":                      "takes no arguments",
		"dev --port 70000":             "--port: 70000 is not a port, expected 1 to 65535; see thalassa dev --help",
		"dev --web-port -1":            "--web-port: -1 is not a port",
		"version now":                  "takes no arguments",
		"backends get":                 "expected KEY, got []",
		"backends put b":               `expected KEY FILE, got ["b"]; see thalassa backends put --help`,
		"frontends delete a b":         `expected KEY, got ["a" "b"]`,
		"deploy live":                  "expected BACKEND VERSION",
		"completion":                   "expected SHELL",
		"completion tcsh":              `"tcsh" is not supported, expected bash, zsh or fish`,
		"status --nope":                "unknown flag: --nope; see thalassa status --help",
		"status -x":                    "unknown shorthand flag: 'x'",
		"deploy live 1 --wait soon":    `--wait: "soon" is not a duration such as 30s or 5m; see thalassa deploy --help`,
		"agent --port many":            `--port: "many" is not a whole number; see thalassa agent --help`,
		"agent --hold-share all":       `--hold-share: "all" is not a number`,
		"agent --debug=perhaps":        `--debug: "perhaps" is not true or false`,
		"deploy live 1.0=x":            `VERSION: "x" is not a weight`,
		"deploy live 1=1,2":            `VERSION: "2" has no weight`,
		"deploy live 1 --canary":       "flag needs an argument: --canary",
		"deploy live 1 --canary 5":     "--canary: \"5\" does not end with 100",
		"deploy live 1 --every 1s":     "--every needs --canary",
		"deploy live 1 --abort-on x":   "--abort-on needs --canary",
		"status -o yaml":               `--output: "yaml" is not known, expected json or table`,
		"config -o json":               "unknown shorthand flag",
		"activity -n 0":                "--limit: 0 is out of range, expected 1 to 1000",
		"activity -n 1001":             "--limit: 1001",
		"activity --since yesterday":   `--since: "yesterday" is not a whole number, 0 or more`,
		"status --agent ftp://host":    `"ftp://host" is not the address of an agent`,
		"status --token-file /no/file": "reading the token: open /no/file",
		"agent --port 70000":           "port: 70000",
		"agent --config /no/file":      "reading the settings: open /no/file",
		"check --haproxy neither":      `haproxy: "neither"`,
	} {
		args := strings.Fields(command)
		if args[0] == "agent" {
			args = append(args, "--port", "0", "--db-path", t.TempDir())
			if strings.Contains(command, "--port") {
				args = args[:len(args)-4]
			}
		}
		s.fails(cli.ExitUsage, says, args...)
	}
	for flags, says := range map[string]string{
		"--every 0s": "--every: 0s", "--min-requests 0": "--min-requests: 0", "--abort-on 5xx": `--abort-on: "5xx" is not a condition`, "--service x": "--canary and --service exclude each other",
		"--force": "--canary and --force exclude each other",
	} {
		s.fails(cli.ExitUsage, says, append([]string{"deploy", "live", "1", "--canary", "5,100"}, strings.Fields(flags)...)...)
	}
	s.fails(cli.ExitUsage, "--canary needs a single version, got 1=1,2=1", "deploy", "live", "1=1,2=1", "--canary", "100")
	s.fails(cli.ExitUsage, "KEY is empty", "backends", "delete", "")
	s.fails(cli.ExitUsage, "BACKEND is empty", "deploy", "", "1")
	s.fails(cli.ExitUsage, "VERSION is empty", "deploy", "live", "")
	s.env["THALASSA_AGENT"] = "not an address"
	s.fails(cli.ExitUsage, `"not an address" is not the address of an agent`, "status")
	if s.answered() != nil {
		t.Error("a wrong command line came to the agent")
	}
}

func TestHelp(t *testing.T) {
	s := open(t)
	all := s.run("--help")
	if all.code != cli.ExitOK || all != s.run() || all != s.run("help") {
		t.Errorf("thalassa, thalassa --help and thalassa help differ: %+v", all)
	}
	for _, command := range []string{
		"agent", "check", "dev", "status", "frontends", "frontends get", "frontends put", "frontends delete",
		"backends", "backends get", "backends put", "backends delete", "deploy", "config", "template", "activity", "completion", "version",
	} {
		args := strings.Fields(command)
		help, flag := s.run(append([]string{"help"}, args...)...), s.run(append(args, "--help")...)
		if help.code != cli.ExitOK || help != flag || !strings.Contains(help.out, "thalassa "+command) {
			t.Errorf("help %s: %+v\n--help: %+v", command, help, flag)
		}
		if !strings.Contains(all.out, "  "+args[0]+" ") {
			t.Errorf("thalassa --help does not list %s", args[0])
		}
	}
	if put := s.run("help", "backends", "put").out; !strings.Contains(put, `echo '{"type": "dynamic"`) {
		t.Errorf("no example of a document: %s", put)
	}
}

// The help of put shows a document that the agent takes.
func TestExamplesOfTheHelp(t *testing.T) {
	s := open(t)
	samples := cli.Samples()
	for _, c := range [][]string{{"backend", "live"}, {"frontend", "web"}} {
		kind, key := c[0], c[1]
		if r := s.runWith(samples[kind], kind+"s", "put", key, "-"); r.code != cli.ExitOK {
			t.Errorf("%s: %+v", samples[kind], r)
		}
	}
}

func TestVersion(t *testing.T) {
	s := open(t)
	r := s.run("version")
	if r.code != cli.ExitOK || !strings.HasPrefix(r.out, "thalassa ") || !strings.HasSuffix(r.out, ")\n") || strings.Count(r.out, "\n") != 1 {
		t.Errorf("%+v", r)
	}
	if flag := s.run("--version"); flag != r {
		t.Errorf("--version: %+v, version: %+v", flag, r)
	}
}

// Arguments are completed with what the agent knows; without one there is nothing
// to choose from, and files are offered where files are meant only.
func TestCompletionAsksTheAgent(t *testing.T) {
	s := shop(t)
	for args, want := range map[string]string{
		"deploy ":               "live\n:4\n",
		"deploy live ":          "1.0.0\n2.0.0\n:4\n",
		"deploy none ":          ":4\n",
		"deploy live 1.0.0 ":    ":4\n",
		"backends get ":         "files\nlive\n:4\n",
		"backends put ":         "files\nlive\n:4\n",
		"backends put live ":    ":0\n",
		"frontends delete ":     "www\n:4\n",
		"accept ":               "shop\n:4\n",
		"deploy --agent :// ":   ":4\n",
		"frontends get -o yml ": ":4\n",
	} {
		r := s.execute("", append([]string{"__complete"}, strings.Split(args, " ")...)...)
		if r.code != cli.ExitOK || r.out != want {
			t.Errorf("%q: %d %q, want %q", args, r.code, r.out, want)
		}
	}
}

func TestCompletion(t *testing.T) {
	s := open(t)
	for shell, holds := range map[string]string{"bash": "complete -o default", "zsh": "#compdef thalassa", "fish": "complete -c thalassa"} {
		if r := s.run("completion", shell); r.code != cli.ExitOK || !strings.Contains(r.out, holds) {
			t.Errorf("%s: %+v", shell, r)
		}
	}
	// What those scripts ask for.
	r := s.execute("", "__complete", "back") // it explains itself on stderr
	if r.code != cli.ExitOK || !strings.HasPrefix(r.out, "backends\t") {
		t.Errorf("%+v", r)
	}
}

func TestTokens(t *testing.T) {
	s := shop(t, apitest.Guarded(t))
	s.fails(cli.ExitForbidden, "--token-file or THALASSA_TOKEN", "status")
	s.env["THALASSA_TOKEN"] = "x-0123456789abcdef"
	s.fails(cli.ExitForbidden, "not known", "status")
	s.env["THALASSA_TOKEN"] = apitest.ReadToken
	if r := s.run("status"); r.code != cli.ExitOK {
		t.Errorf("%+v", r)
	}
	s.fails(cli.ExitForbidden, "token reader has the role read, but POST /backends/{key} needs the role deploy", "deploy", "live", "2.0.0")

	file := filepath.Join(t.TempDir(), "token")
	for content, says := range map[string]string{
		"": "holds 0 words, expected the token alone",
		"admin boss " + apitest.AdminToken + "\n": "holds 3 words",
		apitest.DeployToken + "\xff":              "character that an Authorization header cannot carry",
	} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		s.fails(cli.ExitUsage, says, "status", "--token-file", file)
	}
	if err := os.WriteFile(file, []byte("\n"+apitest.DeployToken+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := s.run("deploy", "live", "2.0.0", "--token-file", file); r.code != cli.ExitOK { // the file wins
		t.Errorf("%+v", r)
	}
	s.fails(cli.ExitForbidden, "needs the role admin", "backends", "delete", "live", "--token-file", file)
	if r := s.run("activity", "-n", "1"); !strings.Contains(r.out, "(POST /backends/live by deployer)") {
		t.Errorf("%+v", r)
	}
}

// closedOutput is a standard output whose reader has gone, or a full disk.
type closedOutput struct{ err error }

func (c closedOutput) Write([]byte) (int, error) { return 0, c.err }

func TestOutputThatCannotBeWritten(t *testing.T) {
	s := shop(t)
	gone := errors.New("the reader has gone")
	file := filepath.Join(t.TempDir(), "access.yaml")
	s.runWith("correct horse\n", "user", "add", "ann", "--role", "read", "--access-file", file)
	s.run("token", "new", "first", "--role", "read", "--access-file", file)
	for _, command := range []string{
		"status", "status -o json", "backends", "frontends -o json", "backends get live", "config", "activity", "activity -o json", "activity -f",
		"version", "template", "completion bash", "completion zsh", "completion fish", "deploy live 2.0.0",
		"export", "export -o json", "draft", "revisions", "certificates", "context", "user --access-file " + file, "token --access-file " + file,
		"token new second --role read --access-file " + file, "help", "deploy --help",
	} {
		var errs strings.Builder
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		code := run(ctx, strings.Fields(command), cli.Environment{
			Program: "thalassa", Stdin: strings.NewReader(""), Stdout: closedOutput{gone}, Stderr: &errs,
			Getenv: func(name string) string { return s.env[name] },
		})
		if code != cli.ExitFailure || errs.String() != "thalassa: "+gone.Error()+"\n" || ctx.Err() != nil {
			t.Errorf("%s: exit code %d, stderr %q", command, code, errs.String())
		}
		cancel()
	}
	if r := s.run("token", "--access-file", file); !strings.Contains(r.out, "first") || strings.Contains(r.out, "second") {
		t.Errorf("a token that nobody has seen stays in the file: %+v", r)
	}
}

// A command that is told to stop before it is done has not done it.
func TestInterruptedCommandFails(t *testing.T) {
	s := shop(t)
	ctx, stop := context.WithCancel(t.Context())
	s.asked = func() { stop() }
	var errs strings.Builder
	code := run(ctx, []string{"deploy", "live", "3.0.0", "--wait", "5m"}, cli.Environment{
		Program: "thalassa", Stdin: strings.NewReader(""), Stdout: io.Discard, Stderr: &errs,
		Getenv: func(name string) string { return s.env[name] },
	})
	if code != cli.ExitFailure || errs.String() != "thalassa: interrupted before the agent answered\n" {
		t.Errorf("exit code %d, stderr %q", code, errs.String())
	}
	if events, err := s.Log.Events(t.Context(), activity.Query{Filter: "3.0.0"}); err != nil || len(events) > 0 {
		t.Errorf("%v, %v", events, err)
	}
}

// TestTemplate: what is printed is what the agent uses, so that check accepts it as
// an operator's own.
func TestTemplate(t *testing.T) {
	s := shop(t)
	r := s.run("template")
	own, err := template.Parse("own", r.out)
	if r.code != cli.ExitOK || err != nil {
		t.Fatalf("%+v, %v", r, err)
	}
	config := lb.Config{Process: lb.Process{StatsSocket: "/run/h.sock"}}
	a, errA := own.Render(config)
	b, errB := template.Default().Render(config)
	if errA != nil || errB != nil || string(a.Bytes) != string(b.Bytes) {
		t.Errorf("%v, %v, or it is another template", errA, errB)
	}
}
