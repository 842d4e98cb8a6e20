package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"

	"thalassa/haproxy"
	"thalassa/lb"
	"thalassa/natives"
)

// settings are those of the agent: each is a flag, and a key of the same name in
// the settings file. Secrets are in files that settings name.
type settings struct {
	file string

	host           string
	port           int
	label          string
	location       string
	tokenFile      string
	allowedHosts   []string
	insecureNoAuth bool
	statsInterval  time.Duration
	metricsOpen    bool

	consulAddress  string
	consulPort     int
	datacenter     string
	namespace      string
	partition      string
	consulToken    string // file
	consulCA       string
	consulCert     string
	consulKey      string
	consulName     string
	consulMaxConns int
	acceptWarning  bool
	holdShare      float64
	holdMin        int
	holdTime       time.Duration
	register       bool

	haproxy       string
	haproxyBinary string
	statsSocket   string
	masterSocket  string
	peersSocket   string
	pidPath       string
	cfgPath       string
	haproxyUser   string
	haproxyGroup  string
	haproxyLog    string
	haproxyStats  string
	maxconn       int
	hardStopAfter time.Duration
	reloadEvery   time.Duration
	reloadBurst   int
	reloadJitter  time.Duration
	stopHAProxy   bool
	sudo          bool
	templateFile  string
	nativesDirs   []string
	allowNatives  string
	cluster       string
	persistence   string
	dbPath        string
	debug         bool
	logFormat     string
}

// flags declares every setting with its default and help.
func (s *settings) flags(f *pflag.FlagSet) {
	f.StringVar(&s.file, "config", "", "settings `file` (YAML: the names of these flags as keys); flags win over it")

	f.StringVar(&s.host, "host", "127.0.0.1", "`address` of the API; any but a loopback address needs --token-file or --insecure-no-auth")
	f.IntVar(&s.port, "port", 10000, "`port` of the API")
	f.StringVar(&s.label, "label", "", "logical `name` of this load balancer")
	f.StringVar(&s.location, "location", "", "cloud location `name`, shown in Consul beside the agent's registration")
	f.StringVar(&s.tokenFile, "token-file", "", "`file` of bearer tokens, a line each: ROLE NAME TOKEN, where ROLE is read, deploy or admin")
	f.StringSliceVar(&s.allowedHosts, "allowed-hosts", nil, "host `names` under which the API may be called without tokens, besides localhost and addresses")
	f.BoolVar(&s.insecureNoAuth, "insecure-no-auth", false, "serve the API to everybody on an address that is not loopback")

	f.BoolVar(&s.metricsOpen, "metrics-open", false, "serve /metrics without a token")
	f.DurationVar(&s.statsInterval, "stats-interval", time.Second, "`time` between two looks at HAProxy's statistics")

	f.StringVar(&s.consulAddress, "service-reg", "127.0.0.1", "Consul's `address`: host, https://host:port or unix:///path")
	f.IntVar(&s.consulPort, "service-reg-port", 8500, "Consul's `port`, where --service-reg has none")
	f.StringVar(&s.datacenter, "datacenter", "", "Consul `datacenter`; default: that of the Consul agent")
	f.StringVar(&s.namespace, "consul-namespace", "", "Consul Enterprise `namespace`")
	f.StringVar(&s.partition, "consul-partition", "", "Consul Enterprise admin `partition`")
	f.StringVar(&s.consulToken, "consul-token-file", "", "`file` with Consul's ACL token; else the environment's CONSUL_HTTP_TOKEN")
	f.StringVar(&s.consulCA, "consul-ca-file", "", "PEM `file` of the authorities that sign Consul's certificate; read at the start")
	f.StringVar(&s.consulCert, "consul-cert-file", "", "PEM `file` of the client certificate for Consul; read again for each connection, as its key is")
	f.StringVar(&s.consulKey, "consul-key-file", "", "PEM `file` of that certificate's key")
	f.StringVar(&s.consulName, "consul-tls-name", "", "`name` that Consul's certificate must carry; default: its host")
	f.IntVar(&s.consulMaxConns, "consul-max-connections", 32, "greatest `number` of connections to Consul, however many services are watched")
	f.BoolVar(&s.acceptWarning, "accept-warning", false, "send traffic to instances whose checks warn")
	f.Float64Var(&s.holdShare, "hold-share", 0.5, "`part` of a service's instances; when Consul suddenly lists more than it as gone they are kept until that is confirmed; 1: never")
	f.IntVar(&s.holdMin, "hold-min", 2, "least `number` of instances lost at once that are kept")
	f.DurationVar(&s.holdTime, "hold-time", 5*time.Minute, "longest `time` that they are kept while Consul can be read and nothing else settles it")
	f.BoolVar(&s.register, "register", true, "register the agent, and the frontends that ask for it, in Consul")

	f.StringVar(&s.haproxy, "haproxy", "managed", "who starts HAProxy: `mode` managed (the agent), pacemaker (the resource agent ocf:thalassa:haproxy) or external (systemd or something else)")
	f.StringVar(&s.haproxyBinary, "haproxy-binary", "haproxy", "HAProxy's `program`")
	f.StringVar(&s.statsSocket, "haproxy-socket-path", "/tmp/haproxy.status.sock", "`path` of HAProxy's stats socket")
	f.StringVar(&s.masterSocket, "haproxy-master-socket-path", "", "`path` of HAProxy's master socket (default: haproxy.master.sock beside the stats socket)")
	f.StringVar(&s.peersSocket, "haproxy-peers-socket-path", "", "`path` of the socket over which stick tables outlive a reload (default: haproxy.peers.sock beside the stats socket)")
	f.StringVar(&s.pidPath, "haproxy-pid-path", "/var/run/haproxy.pid", "`path` of HAProxy's pid file")
	f.StringVar(&s.cfgPath, "haproxy-cfg-path", "/etc/haproxy/haproxy.cfg", "`path` of the generated haproxy.cfg")
	f.StringVar(&s.haproxyUser, "haproxy-user", "", "`user` that HAProxy's workers run as; default: haproxy, where root starts HAProxy and that user exists")
	f.StringVar(&s.haproxyGroup, "haproxy-group", "", "`group` that HAProxy's workers run as; default: that user's")
	f.StringVar(&s.haproxyLog, "haproxy-log", "/dev/log local0", "`target` and facility of HAProxy's log; empty: no log")
	f.StringVar(&s.haproxyStats, "haproxy-stats-bind", "127.0.0.1:1988", "`host:port` of HAProxy's own statistics page; empty: none")
	f.IntVar(&s.maxconn, "haproxy-maxconn", 4096, "greatest `number` of concurrent connections")
	f.DurationVar(&s.hardStopAfter, "haproxy-hard-stop-after", 5*time.Minute, "`time` that connections may go on in a worker replaced by a reload")
	f.DurationVar(&s.reloadEvery, "reload-every", 500*time.Millisecond, "mean `time` between reloads under a stream of changes")
	f.IntVar(&s.reloadBurst, "reload-burst", 10, "`number` of reloads that may follow each other at once after a pause")
	f.DurationVar(&s.reloadJitter, "reload-jitter", 2*time.Second, "longest `time` that a reload waits which a change in Consul calls for; each waits another time")
	f.BoolVar(&s.stopHAProxy, "stop-haproxy", false, "stop HAProxy when the agent stops; otherwise it goes on")
	f.BoolVar(&s.sudo, "sudo", false, "start HAProxy through sudo")
	f.StringVar(&s.templateFile, "template-file", "", "template `file` of haproxy.cfg; default: the embedded one")
	f.StringSliceVar(&s.nativesDirs, "natives-dirs", natives.Dirs(), "`directories` of the files that raw lines (natives) may read")
	f.StringVar(&s.allowNatives, "allow-natives", nativesFiles, "`what` raw lines may reach: files (in natives-dirs) or any (sockets and programs as well)")

	f.StringVar(&s.cluster, "cluster", "auto", "`when` to watch and steer the Pacemaker cluster: auto (where there is one), on or off")

	f.StringVar(&s.persistence, "persistence", "", "JSON `file` with what operators asked for: imported into an empty database, then kept up to date")
	f.StringVar(&s.dbPath, "db-path", "/var/lib/thalassa", "`directory` of the embedded database")
	f.BoolVar(&s.debug, "debug", false, "log more")
	f.StringVar(&s.logFormat, "log-format", "text", "`form` of the log: text or json")
}

// kebab turns the original's camelCase names into the documented ones, so that
// --haproxySocketPath is --haproxy-socket-path.
func kebab(_ *pflag.FlagSet, name string) pflag.NormalizedName {
	var b strings.Builder
	for i, r := range name {
		if unicode.IsUpper(r) && i > 0 {
			b.WriteByte('-')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return pflag.NormalizedName(b.String())
}

// loadFile takes the settings of a YAML file for every flag that the command
// line did not set. Errors name file, line and key.
func loadFile(f *pflag.FlagSet, path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return usageError{fmt.Errorf("reading the settings: %w", err)}
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return usageError{fmt.Errorf("reading the settings in %s: %w", path, err)}
	}
	if doc.Kind == 0 { // an empty file
		return nil
	}
	top := doc.Content[0]
	if top.Kind != yaml.MappingNode {
		return usageError{fmt.Errorf("%s:%d: expected a mapping of settings", path, top.Line)}
	}
	var problems []error
	seen := map[pflag.NormalizedName]bool{}
	for i := 0; i+1 < len(top.Content); i += 2 {
		key, value := top.Content[i], top.Content[i+1]
		name := kebab(f, key.Value)
		if seen[name] {
			problems = append(problems, fmt.Errorf("%s:%d: %s stands here twice", path, key.Line, name))
		}
		seen[name] = true
		if err := setFromFile(f, name, value); err != nil {
			problems = append(problems, fmt.Errorf("%s:%d: %w", path, key.Line, err))
		}
	}
	if len(problems) > 0 {
		return usageError{errors.Join(problems...)}
	}
	return nil
}

func setFromFile(f *pflag.FlagSet, name pflag.NormalizedName, value *yaml.Node) error {
	flag := f.Lookup(string(name))
	if flag == nil || name == "config" || name == "help" {
		return fmt.Errorf("%s is not a setting", name)
	}
	text := value.Value
	switch {
	case value.Kind == yaml.SequenceNode && flag.Value.Type() == "stringSlice":
		var items []string
		if err := value.Decode(&items); err != nil {
			return fmt.Errorf("%s: expected a list of strings", name)
		}
		text = strings.Join(items, ",")
	case value.Kind != yaml.ScalarNode:
		return fmt.Errorf("%s: expected one value (%s)", name, flag.Value.Type())
	}
	if flag.Changed { // the command line wins
		return nil
	}
	if err := flag.Value.Set(text); err != nil {
		return fmt.Errorf("%s: %w", name, badValue(flag, text))
	}
	return nil
}

// portError is about a port that is none: one beyond 65535, or below least, which is 0
// where the system may choose one.
func portError(name string, port, least int) error {
	if port >= least && port <= 65535 {
		return nil
	}
	return fmt.Errorf("%s: %d is not a port, expected 1 to 65535", name, port)
}

// check finds mistakes that no single flag can know. Errors name the setting.
func (s *settings) check() error {
	problems := []error{portError("port", s.port, 0), portError("service-reg-port", s.consulPort, 1)} // nil where all is well
	bad := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if !s.loopback() && s.tokenFile == "" && !s.insecureNoAuth {
		bad("host: %s is not a loopback address, and neither token-file nor insecure-no-auth is set", s.host)
	}
	if s.statsInterval < 100*time.Millisecond || s.statsInterval > time.Minute {
		bad("stats-interval: %s is not an interval, expected 100ms to 1m", s.statsInterval)
	}
	switch haproxy.Mode(s.haproxy) {
	case haproxy.Managed:
	case haproxy.Pacemaker, haproxy.External:
		if s.stopHAProxy {
			bad("stop-haproxy: HAProxy is stopped by whoever starts it, which is %s", s.haproxy)
		}
		if s.haproxy == string(haproxy.Pacemaker) && s.sudo {
			bad("sudo: Pacemaker starts HAProxy")
		}
	default:
		bad("haproxy: %q is not known, expected managed, pacemaker or external", s.haproxy)
	}
	if s.cluster != "auto" && s.cluster != "on" && s.cluster != "off" {
		bad("cluster: %q is not known, expected auto, on or off", s.cluster)
	}
	if s.logFormat != "text" && s.logFormat != "json" {
		bad("log-format: %q is not known, expected text or json", s.logFormat)
	}
	if s.haproxyStats != "" {
		if _, err := lb.ParseBind(s.haproxyStats); err != nil {
			bad("haproxy-stats-bind: %v", err)
		}
	}
	if s.reloadJitter < 0 {
		bad("reload-jitter: %s is no time to wait", s.reloadJitter)
	}
	if s.reloadEvery <= 0 {
		bad("reload-every: %s is no time between reloads, expected more than 0s", s.reloadEvery)
	}
	if s.reloadBurst < 1 {
		bad("reload-burst: %d is not a number of reloads, expected 1 or more", s.reloadBurst)
	}
	if s.hardStopAfter < 0 {
		bad("haproxy-hard-stop-after: %s is no time, expected 0s, for connections without end, or more", s.hardStopAfter)
	}
	if s.maxconn < 0 {
		bad("haproxy-maxconn: %d is not a number of connections, expected 1 or more, or 0 for HAProxy to choose", s.maxconn)
	}
	if s.consulMaxConns < 12 {
		bad("consul-max-connections: %d is too few, expected 12 or more", s.consulMaxConns)
	}
	if s.holdShare <= 0 || s.holdShare > 1 {
		bad("hold-share: %v is not a part, expected more than 0 and at most 1", s.holdShare)
	}
	if s.holdMin < 1 {
		bad("hold-min: %d is not a number of instances, expected 1 or more", s.holdMin)
	}
	if s.holdTime < time.Second {
		bad("hold-time: %v is too short, expected 1s or more", s.holdTime)
	}
	for name, text := range map[string]string{
		"haproxy-user": s.haproxyUser, "haproxy-group": s.haproxyGroup, "haproxy-log": s.haproxyLog,
		"haproxy-socket-path": s.statsSocket, "haproxy-master-socket-path": s.masterSocket,
		"haproxy-peers-socket-path": s.peersSocket,
	} {
		if strings.ContainsAny(text, "\n\r\"'\\#") {
			bad("%s: %q holds a character that haproxy.cfg cannot take", name, text)
		}
	}
	problems = append(problems, s.checkNatives())
	if err := errors.Join(problems...); err != nil {
		return usageError{err}
	}
	if s.masterSocket == "" {
		s.masterSocket = filepath.Join(filepath.Dir(s.statsSocket), "haproxy.master.sock")
	}
	if s.peersSocket == "" {
		s.peersSocket = filepath.Join(filepath.Dir(s.statsSocket), "haproxy.peers.sock")
	}
	return nil
}

// loopback reports whether only this machine can reach the API.
func (s *settings) loopback() bool {
	if s.host == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(s.host)
	return err == nil && a.IsLoopback()
}

// listen is the API's address.
func (s *settings) listen() string { return net.JoinHostPort(s.host, strconv.Itoa(s.port)) }

// consul is Consul's address in the form of discovery's Config.
func (s *settings) consul() string {
	if strings.Contains(s.consulAddress, "://") {
		return s.consulAddress
	}
	if _, _, err := net.SplitHostPort(s.consulAddress); err == nil {
		return s.consulAddress
	}
	return net.JoinHostPort(strings.Trim(s.consulAddress, "[]"), strconv.Itoa(s.consulPort))
}

// process is what the settings say about HAProxy itself.
func (s *settings) process() lb.Process {
	p := lb.Process{
		StatsSocket: s.statsSocket, StateFile: haproxy.StateFile(s.cfgPath), PeersSocket: s.peersSocket, User: s.haproxyUser, Group: s.haproxyGroup, Log: s.haproxyLog,
		MaxConn: s.maxconn, HardStopAfter: s.hardStopAfter,
	}
	if bind, err := lb.ParseBind(s.haproxyStats); err == nil { // check has said so otherwise
		p.StatsBind = &bind
	}
	if p.User == "" && (os.Geteuid() == 0 || s.sudo) {
		if _, err := user.Lookup("haproxy"); err == nil {
			p.User = "haproxy"
		}
	}
	if p.Group == "" && p.User != "" {
		p.Group = primaryGroup(p.User)
	}
	if s.sudo {
		p.SocketUser = ownName()
	}
	return p
}

// ownName is that of the user who runs this program; his number where he has none,
// which HAProxy will say.
func ownName() string {
	id := strconv.Itoa(os.Getuid())
	u, err := user.LookupId(id)
	if err != nil {
		return id
	}
	return u.Username
}

// primaryGroup of a user; empty when either is unknown, which HAProxy will say.
func primaryGroup(name string) string {
	u, err := user.Lookup(name)
	if err != nil {
		return ""
	}
	g, err := user.LookupGroupId(u.Gid)
	if err != nil {
		return ""
	}
	return g.Name
}
