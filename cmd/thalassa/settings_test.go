package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

var update = flag.Bool("update", false, "rewrite generated parts of the documentation")

// load makes settings as the command line does.
func load(t *testing.T, file string, args ...string) (settings, error) {
	t.Helper()
	var s settings
	f := pflag.NewFlagSet("agent", pflag.ContinueOnError)
	f.SetNormalizeFunc(kebab)
	s.flags(f)
	s.runDirs.system = filepath.Join(t.TempDir(), "thalassa") // not this machine's
	if file != "" {
		path := filepath.Join(t.TempDir(), "thalassa.yaml")
		if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, "--config", path)
	}
	if err := f.Parse(args); err != nil {
		return s, err
	}
	if s.file != "" {
		if err := loadFile(f, s.file); err != nil {
			return s, err
		}
	}
	return s, s.check()
}

// Every flag of the original program is accepted under its own name.
func TestOriginalFlags(t *testing.T) {
	s, err := load(t, "", "--host", "127.0.0.1", "--port", "1", "--label", "l", "--serviceReg", "consul.example", "--serviceRegPort", "2",
		"--datacenter", "dc", "--location", "loc", "--haproxySocketPath", "/s/h.sock", "--haproxyPidPath", "/p", "--haproxyCfgPath", "/c",
		"--templateFile", "t", "--persistence", "per", "--sudo", "--debug", "--dbPath", "/db")
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprint(s.listen(), s.label, s.consul(), s.datacenter, s.location, s.statsSocket, s.masterSocket, s.pidPath, s.cfgPath, s.templateFile, s.persistence, s.sudo, s.debug, s.dbPath)
	want := fmt.Sprint("127.0.0.1:1", "l", "consul.example:2", "dc", "loc", "/s/h.sock", "/s/haproxy.master.sock", "/p", "/c", "t", "per", true, true, "/db")
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestOriginalDefaults(t *testing.T) {
	s, err := load(t, "")
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprint(s.listen(), " ", s.consul(), " ", s.cfgPath, " ", s.sudo, s.debug)
	if want := "127.0.0.1:10000 127.0.0.1:8500 /etc/haproxy/haproxy.cfg false false"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestCommandLineWinsOverTheFile(t *testing.T) {
	s, err := load(t, "port: 1\nlabel: file\nallowed-hosts: [a, b]\nhaproxy-hard-stop-after: 90s\nserviceRegPort: 77\n", "--port", "2")
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprintln(s.port, s.label, s.allowedHosts, s.hardStopAfter, s.consulPort); got != "2 file [a b] 1m30s 77\n" {
		t.Errorf("got %s", got)
	}
}

func TestMistakesAreNamed(t *testing.T) {
	for name, c := range map[string]struct {
		file string
		args []string
		want []string
	}{
		"unknown key":        {file: "label: a\nhaproxySokketPath: x\n", want: []string{"thalassa.yaml:2", "haproxy-sokket-path is not a setting"}},
		"several":            {file: "nope: 1\nport: x\n", want: []string{":1: nope", `:2: port: "x"`}},
		"a mapping inside":   {file: "port: {a: b}\n", want: []string{":1: port: expected one value"}},
		"not YAML":           {file: "port: [\n", want: []string{"thalassa.yaml"}},
		"bad port":           {args: []string{"--port", "70000"}, want: []string{"port: 70000", "1 to 65535"}},
		"bad mode":           {args: []string{"--haproxy", "systemd"}, want: []string{`haproxy: "systemd"`, "managed, pacemaker or external"}},
		"bad stats address":  {args: []string{"--haproxy-stats-bind", "nine"}, want: []string{"haproxy-stats-bind", "host:port"}},
		"a smuggled line":    {args: []string{"--haproxy-log", "x\nbackend evil"}, want: []string{"haproxy-log"}},
		"open to all":        {args: []string{"--host", "::"}, want: []string{"host: ::", "token-file", "insecure-no-auth"}},
		"stop external":      {args: []string{"--haproxy", "external", "--stop-haproxy"}, want: []string{"stop-haproxy: HAProxy is stopped by whoever starts it"}},
		"no pace":            {args: []string{"--reload-every", "0s"}, want: []string{"reload-every: 0s"}},
		"no reload":          {args: []string{"--reload-burst", "0"}, want: []string{"reload-burst: 0"}},
		"a stop in the past": {args: []string{"--haproxy-hard-stop-after", "-5m"}, want: []string{"haproxy-hard-stop-after: -5m"}},
		"fewer than none":    {args: []string{"--haproxy-maxconn", "-1"}, want: []string{"haproxy-maxconn: -1"}},
		"few connections":    {args: []string{"--consul-max-connections", "3"}, want: []string{"consul-max-connections: 3"}},
	} {
		_, err := load(t, c.file, c.args...)
		if err == nil {
			t.Errorf("%s: accepted", name)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %q is missing in: %v", name, want, err)
			}
		}
		if exitCode(err) != exitUsage {
			t.Errorf("%s: exit code %d, expected %d", name, exitCode(err), exitUsage)
		}
	}
}

func TestConsulAddressForms(t *testing.T) {
	for in, want := range map[string]string{
		"consul":                  "consul:8500",
		"consul:99":               "consul:99",
		"::1":                     "[::1]:8500",
		"https://consul.example":  "https://consul.example",
		"unix:///run/consul.sock": "unix:///run/consul.sock",
	} {
		s, err := load(t, "", "--service-reg", in)
		if err != nil || s.consul() != want {
			t.Errorf("%s: got %s, %v; expected %s", in, s.consul(), err, want)
		}
	}
}

// The table of settings in the documentation is the flags' own.
func TestSettingsAreDocumented(t *testing.T) {
	const path = "../../docs/cli.md"
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const head = "| setting | default | meaning |\n|---|---|---|\n"
	before, _, ok := strings.Cut(string(data), head)
	if !ok {
		t.Fatalf("%s has no table of settings", path)
	}
	var table strings.Builder
	table.WriteString(before + head)
	var s settings
	f := pflag.NewFlagSet("", pflag.ContinueOnError)
	s.flags(f)
	f.VisitAll(func(flag *pflag.Flag) {
		if flag.Name == "config" {
			return
		}
		_, usage := pflag.UnquoteUsage(flag)
		value := flag.DefValue
		if value == "" || value == "[]" {
			value = "–"
		} else {
			value = "`" + value + "`"
		}
		fmt.Fprintf(&table, "| `%s` | %s | %s |\n", flag.Name, value, usage)
	})
	if *update {
		if err := os.WriteFile(path, []byte(table.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if string(data) != table.String() {
		t.Errorf("%s does not list the settings as they are; go test ./cmd/thalassa -run Documented -update", path)
	}
}
