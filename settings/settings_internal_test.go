package settings

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// load makes settings as the command line does.
func load(t *testing.T, file string, args ...string) (*Agent, error) {
	t.Helper()
	if file != "" {
		path := filepath.Join(t.TempDir(), "thalassa.yaml")
		if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, "--config", path)
	}
	s := &Agent{}
	f := newFlagSet(s)
	s.runDirs.system = filepath.Join(t.TempDir(), "thalassa") // not this machine's
	if err := f.Parse(args); err != nil {
		return nil, Error{err}
	}
	return s, s.Load(f, func(string) string { return "" })
}

// Every flag of the original program is accepted under its own name.
func TestOriginalFlags(t *testing.T) {
	s, err := load(t, "", "--host", "127.0.0.1", "--port", "1", "--label", "l", "--serviceReg", "consul.example", "--serviceRegPort", "2",
		"--datacenter", "dc", "--location", "loc", "--haproxySocketPath", "/s/h.sock", "--haproxyPidPath", "/p", "--haproxyCfgPath", "/c",
		"--templateFile", "t", "--persistence", "per", "--sudo", "--debug", "--dbPath", "/db")
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprint(s.Listen(), s.label, s.Consul(), s.datacenter, s.location, s.statsSocket, s.masterSocket, s.pidPath, s.cfgPath, s.templateFile, s.persistence, s.sudo, s.debug, s.dbPath)
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
	got := fmt.Sprint(s.Listen(), " ", s.Consul(), " ", s.cfgPath, " ", s.sudo, s.debug)
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

// aCluster is the setting of another cluster.
const aCluster = "clusters: [{name: paris, addresses: [\"https://lb1.example:10000\"], tokenFile: /etc/paris-token}]\n"

// A console needs no place for HAProxy's sockets, and routes never serve its tokens.
func TestConsole(t *testing.T) {
	s, err := load(t, aCluster, "--console", "--db-path", "/var/lib/console")
	if err != nil {
		t.Fatal(err)
	}
	if !s.IsConsole() || s.statsSocket != "" || s.runDir != "" || len(s.Directories()) != 1 || s.Directories()[0].Path != "/var/lib/console" {
		t.Errorf("a console has the socket %q, the directory %q and %v", s.statsSocket, s.runDir, s.Directories())
	}
	if got := s.String(); !strings.HasSuffix(got, "console of 1 clusters") {
		t.Errorf("it is %q", got)
	}
	if !slices.Contains(s.SecretFiles(), "/etc/paris-token") {
		t.Errorf("routes may serve the token of a cluster: %v", s.SecretFiles())
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
		"no server":          {args: []string{"--haproxy-max-servers", "0"}, want: []string{"haproxy-max-servers: 0"}},
		"fewer than none":    {args: []string{"--haproxy-maxconn", "-1"}, want: []string{"haproxy-maxconn: -1"}},
		"acme, no name":      {args: []string{"--tls", "acme", "--tls-names", "192.0.2.1"}, want: []string{"tls-names: has no host name"}},
		"acme, a bad name":   {args: []string{"--tls", "acme", "--tls-names", "lb_1.example"}, want: []string{"tls-names: ", "expected a host name"}},
		"acme, challenge":    {args: []string{"--tls", "acme", "--tls-names", "lb.example", "--tls-acme-challenge", "tls-alpn-01"}, want: []string{"tls-acme-challenge: ", "expected"}},
		"acme, directory":    {args: []string{"--tls", "acme", "--tls-names", "lb.example", "--tls-acme-directory", "http://a.example"}, want: []string{"tls-acme-directory: ", "expected an https URL"}},
		"acme, CA":           {args: []string{"--tls", "acme", "--tls-names", "lb.example", "--tls-acme-directory-ca", "/nonexistent"}, want: []string{"tls-acme-directory-ca: "}},
		"acme, mail":         {args: []string{"--tls", "acme", "--tls-names", "lb.example", "--tls-acme-email", "me"}, want: []string{"tls-acme-email: "}},
		"shared, no key":     {args: []string{"--tls", "shared"}, want: []string{"tls: is shared, but session-key-file"}},
		"not acme":           {args: []string{"--tls", "auto", "--tls-acme-email", "me@a.example"}, want: []string{"tls-acme-email: need tls to be acme"}},
		"a bad prefix":       {args: []string{"--acme-kv-prefix", "/x"}, want: []string{"acme-kv-prefix: "}},
		"one prefix":         {args: []string{"--acme-kv-prefix", "thalassa/sessions/acme/"}, want: []string{"acme-kv-prefix: ", "in common"}},
		"an open cluster":    {file: "clusters: [{name: paris, addresses: [\"http://lb1.example\"]}]\n", want: []string{"clusters: paris: addresses: ", "https://"}},
		"unknown to it":      {file: "clusters: [{name: paris, adresses: []}]\n", want: []string{"clusters: ", "adresses"}},
		"an empty console":   {args: []string{"--console"}, want: []string{"clusters: is not set"}},
		"a console, Consul":  {file: aCluster, args: []string{"--console", "--session-key-file", "/k", "--token-file", "/t"}, want: []string{"session-key-file: needs Consul"}},
		"a console, acme":    {file: aCluster, args: []string{"--console", "--tls", "acme", "--tls-names", "lb.example"}, want: []string{"tls: is acme, and a console"}},
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
		if !errors.As(err, new(Error)) {
			t.Errorf("%s: %T is not an Error", name, err)
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
		if err != nil || s.Consul() != want {
			t.Errorf("%s: got %s, %v; expected %s", in, s.Consul(), err, want)
		}
	}
}

// Every setting is in one group, so that the help and the documentation have it once.
func TestEverySettingIsInOneGroup(t *testing.T) {
	var s Agent
	f := pflag.NewFlagSet("", pflag.ContinueOnError)
	s.Flags(f)
	seen := map[string]int{}
	for _, g := range Groups() {
		for _, one := range g.Settings {
			seen[one.Name]++
			if f.Lookup(one.Name) == nil {
				t.Errorf("group %s: %s is not a setting", g.Title, one.Name)
			}
			if one.Explanation != "" && !strings.HasSuffix(one.Explanation, ".") {
				t.Errorf("%s: the explanation is no sentence: %s", one.Name, one.Explanation)
			}
		}
	}
	f.VisitAll(func(flag *pflag.Flag) {
		if seen[flag.Name] != 1 {
			t.Errorf("%s is in %d groups, want 1: see Groups", flag.Name, seen[flag.Name])
		}
	})
}
