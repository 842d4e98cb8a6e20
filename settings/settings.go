package settings

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/user"
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

// Agent is the settings of the node agent: each is a flag, and a key of the same
// name in the settings file. Secrets are in files that settings name. A value comes
// from [Agent.Flags] and [Agent.Load], or from [Parse]; afterwards it does not change.
type Agent struct {
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

	consulEnvToken string // from the environment; a token file wins

	// Set by check for paths that nobody has named:
	runDirs runDirs
	runDir  string         // the run-time directory; empty: not used
	former  *haproxy.Paths // where HAProxy was by default before; nil: nowhere else
}

// Flags declares every setting with its default and help. What takes longer to
// explain is in [Groups].
func (s *Agent) Flags(f *pflag.FlagSet) {
	s.runDirs = runDirs{system: systemRunDir, uid: os.Geteuid()}
	f.StringVar(&s.file, "config", "", "settings `file` in YAML; flags override it")

	f.StringVar(&s.host, "host", "127.0.0.1", "listen `address` of the API")
	f.IntVar(&s.port, "port", 10000, "listen `port` of the API")
	f.StringVar(&s.label, "label", "", "logical `name` of this load balancer")
	f.StringVar(&s.location, "location", "", "`location` of this node, shown in Consul")
	f.StringVar(&s.tokenFile, "token-file", "", "`file` of bearer tokens for the API")
	f.StringSliceVar(&s.allowedHosts, "allowed-hosts", nil, "additional host `names` that the API accepts without tokens")
	f.BoolVar(&s.insecureNoAuth, "insecure-no-auth", false, "API without tokens on an address that is not loopback")
	f.BoolVar(&s.metricsOpen, "metrics-open", false, "/metrics without a token")
	f.DurationVar(&s.statsInterval, "stats-interval", time.Second, "`interval` between reads of HAProxy's statistics")

	f.StringVar(&s.consulAddress, "service-reg", "127.0.0.1", "`address` of Consul: host, host:port, URL or unix:///path")
	f.IntVar(&s.consulPort, "service-reg-port", 8500, "`port` of Consul, where --service-reg has none")
	f.StringVar(&s.datacenter, "datacenter", "", "Consul `datacenter` (default: that of the Consul agent)")
	f.StringVar(&s.namespace, "consul-namespace", "", "Consul Enterprise `namespace`")
	f.StringVar(&s.partition, "consul-partition", "", "Consul Enterprise admin `partition`")
	f.StringVar(&s.consulToken, "consul-token-file", "", "`file` with the ACL token for Consul")
	f.StringVar(&s.consulCA, "consul-ca-file", "", "PEM `file` of the CAs that sign Consul's certificate")
	f.StringVar(&s.consulCert, "consul-cert-file", "", "PEM `file` of the client certificate for Consul")
	f.StringVar(&s.consulKey, "consul-key-file", "", "PEM `file` of the client certificate's key")
	f.StringVar(&s.consulName, "consul-tls-name", "", "`name` expected in Consul's certificate (default: its host)")
	f.IntVar(&s.consulMaxConns, "consul-max-connections", 32, "maximum `number` of connections to Consul")
	f.BoolVar(&s.acceptWarning, "accept-warning", false, "traffic to instances whose checks are in state warning")
	f.Float64Var(&s.holdShare, "hold-share", 0.5, "`share` of lost instances above which the loss needs confirmation")
	f.IntVar(&s.holdMin, "hold-min", 2, "minimum `number` of lost instances that needs confirmation")
	f.DurationVar(&s.holdTime, "hold-time", 5*time.Minute, "maximum `time` to hold lost instances without other confirmation")
	f.BoolVar(&s.register, "register", true, "registration of the agent and its frontends in Consul")

	f.StringVar(&s.haproxy, "haproxy", "managed", "start `mode` of HAProxy: managed, pacemaker or external")
	f.StringVar(&s.haproxyBinary, "haproxy-binary", "haproxy", "HAProxy `executable`")
	f.StringVar(&s.statsSocket, "haproxy-socket-path", "", "`path` of HAProxy's stats socket (default: in the run-time directory)")
	f.StringVar(&s.masterSocket, "haproxy-master-socket-path", "", "`path` of HAProxy's master socket (default: beside the stats socket)")
	f.StringVar(&s.peersSocket, "haproxy-peers-socket-path", "", "`path` of the peers socket (default: beside the stats socket)")
	f.StringVar(&s.pidPath, "haproxy-pid-path", "", "`path` of HAProxy's PID file (default: in the run-time directory)")
	f.StringVar(&s.cfgPath, "haproxy-cfg-path", "/etc/haproxy/haproxy.cfg", "`path` of the generated haproxy.cfg")
	f.StringVar(&s.haproxyUser, "haproxy-user", "", "`user` of HAProxy's workers (default: haproxy, if root starts HAProxy)")
	f.StringVar(&s.haproxyGroup, "haproxy-group", "", "`group` of HAProxy's workers (default: that of the user)")
	f.StringVar(&s.haproxyLog, "haproxy-log", "/dev/log local0", "`target` and facility of HAProxy's log; empty: no log")
	f.StringVar(&s.haproxyStats, "haproxy-stats-bind", "127.0.0.1:1988", "`host:port` of HAProxy's statistics page; empty: no page")
	f.IntVar(&s.maxconn, "haproxy-maxconn", 4096, "maximum `number` of concurrent connections; 0: chosen by HAProxy")
	f.DurationVar(&s.hardStopAfter, "haproxy-hard-stop-after", 5*time.Minute, "maximum `time` that a replaced worker keeps its connections")
	f.DurationVar(&s.reloadEvery, "reload-every", 500*time.Millisecond, "mean `interval` between reloads during a stream of changes")
	f.IntVar(&s.reloadBurst, "reload-burst", 10, "`number` of reloads without a pause between them")
	f.DurationVar(&s.reloadJitter, "reload-jitter", 2*time.Second, "maximum random `delay` before a reload that Consul triggered")
	f.BoolVar(&s.stopHAProxy, "stop-haproxy", false, "shutdown of HAProxy when the agent stops")
	f.BoolVar(&s.sudo, "sudo", false, "use of sudo to start HAProxy")
	f.StringVar(&s.templateFile, "template-file", "", "template `file` of haproxy.cfg (default: the embedded one)")
	f.StringSliceVar(&s.nativesDirs, "natives-dirs", natives.Dirs(), "`directories` of the files that raw lines (natives) may read")
	f.StringVar(&s.allowNatives, "allow-natives", nativesFiles, "`reach` of raw lines: files (in natives-dirs) or any")

	f.StringVar(&s.cluster, "cluster", "auto", "`mode` of the Pacemaker integration: auto, on or off")

	f.StringVar(&s.persistence, "persistence", "", "JSON `file` with a copy of the configured frontends and backends")
	f.StringVar(&s.dbPath, "db-path", "/var/lib/thalassa", "`directory` of the embedded database")
	f.BoolVar(&s.debug, "debug", false, "debug messages in the log")
	f.StringVar(&s.logFormat, "log-format", "text", "`format` of the log: text or json")
}

// Kebab turns the original's camelCase names into the documented ones, so that
// --haproxySocketPath is --haproxy-socket-path.
func Kebab(_ *pflag.FlagSet, name string) pflag.NormalizedName {
	var b strings.Builder
	for i, r := range name {
		if unicode.IsUpper(r) && i > 0 {
			b.WriteByte('-')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return pflag.NormalizedName(b.String())
}

// LoadFile takes the settings of a YAML file for every flag of f that the command
// line did not set. The file is strict: an unknown or repeated key is an error.
// The error is an [Error]; it names file, line and key.
func LoadFile(f *pflag.FlagSet, path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return Error{fmt.Errorf("reading the settings: %w", err)}
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return Error{fmt.Errorf("reading the settings in %s: %w", path, err)}
	}
	if doc.Kind == 0 { // an empty file
		return nil
	}
	top := doc.Content[0]
	if top.Kind != yaml.MappingNode {
		return Error{fmt.Errorf("%s:%d: expected a mapping of settings", path, top.Line)}
	}
	var problems []error
	seen := map[pflag.NormalizedName]bool{}
	for i := 0; i+1 < len(top.Content); i += 2 {
		key, value := top.Content[i], top.Content[i+1]
		name := Kebab(f, key.Value)
		if seen[name] {
			problems = append(problems, fmt.Errorf("%s:%d: %s is set twice", path, key.Line, name))
		}
		seen[name] = true
		if err := setFromFile(f, name, value); err != nil {
			problems = append(problems, fmt.Errorf("%s:%d: %w", path, key.Line, err))
		}
	}
	if len(problems) > 0 {
		return Error{errors.Join(problems...)}
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
		return fmt.Errorf("%s: expected one value of type %s", name, flag.Value.Type())
	}
	if flag.Changed { // the command line wins
		return nil
	}
	if err := flag.Value.Set(text); err != nil {
		return fmt.Errorf("%s: %w", name, BadValue(flag, text))
	}
	return nil
}

// Port returns an error that names the setting when port is not between least and
// 65535; least is 0 where the system may choose the port.
func Port(name string, port, least int) error {
	if port >= least && port <= 65535 {
		return nil
	}
	return fmt.Errorf("%s: %d is not a port, expected 1 to 65535", name, port)
}

// mistakes collects what is wrong with settings. Each text begins with the name of
// the setting and says what was expected.
type mistakes []error

func (m *mistakes) add(format string, args ...any) { *m = append(*m, fmt.Errorf(format, args...)) }

// check finds mistakes that no single flag can know, and completes the paths of
// sockets. Errors name the setting.
func (s *Agent) check() error {
	problems := mistakes{Port("port", s.port, 0), Port("service-reg-port", s.consulPort, 1)} // nil where all is well
	s.checkAPI(problems.add)
	s.checkConsul(problems.add)
	s.checkMode(problems.add)
	s.checkHAProxy(problems.add)
	s.checkReloads(problems.add)
	problems = append(problems, s.checkNatives())
	if err := errors.Join(problems...); err != nil {
		return Error{err}
	}
	return s.completePaths()
}

func (s *Agent) checkAPI(bad func(format string, args ...any)) {
	if !s.Loopback() && s.tokenFile == "" && !s.insecureNoAuth {
		bad("host: %s is not a loopback address; set token-file, or insecure-no-auth to serve without tokens", s.host)
	}
	if s.statsInterval < 100*time.Millisecond || s.statsInterval > time.Minute {
		bad("stats-interval: %s is out of range, expected 100ms to 1m", s.statsInterval)
	}
	if s.logFormat != "text" && s.logFormat != "json" {
		bad("log-format: %q is not known, expected text or json", s.logFormat)
	}
}

func (s *Agent) checkConsul(bad func(format string, args ...any)) {
	if s.consulMaxConns < 12 {
		bad("consul-max-connections: %d is too few, expected 12 or more", s.consulMaxConns)
	}
	if s.holdShare <= 0 || s.holdShare > 1 {
		bad("hold-share: %v is out of range, expected more than 0 and at most 1", s.holdShare)
	}
	if s.holdMin < 1 {
		bad("hold-min: %d is too few, expected 1 or more", s.holdMin)
	}
	if s.holdTime < time.Second {
		bad("hold-time: %v is too short, expected 1s or more", s.holdTime)
	}
}

// checkMode is about who starts HAProxy.
func (s *Agent) checkMode(bad func(format string, args ...any)) {
	switch haproxy.Mode(s.haproxy) {
	case haproxy.Managed:
	case haproxy.Pacemaker, haproxy.External:
		if s.stopHAProxy {
			bad("stop-haproxy: HAProxy is stopped by whoever starts it, which is %s", s.haproxy)
		}
		if s.haproxy == string(haproxy.Pacemaker) && s.sudo {
			bad("sudo: Pacemaker starts HAProxy, without sudo")
		}
	default:
		bad("haproxy: %q is not known, expected managed, pacemaker or external", s.haproxy)
	}
	if s.cluster != "auto" && s.cluster != "on" && s.cluster != "off" {
		bad("cluster: %q is not known, expected auto, on or off", s.cluster)
	}
}

func (s *Agent) checkHAProxy(bad func(format string, args ...any)) {
	if s.haproxyStats != "" {
		if _, err := lb.ParseBind(s.haproxyStats); err != nil {
			bad("haproxy-stats-bind: %v", err)
		}
	}
	if s.hardStopAfter < 0 {
		bad("haproxy-hard-stop-after: %s is negative, expected 0s (no limit) or more", s.hardStopAfter)
	}
	if s.maxconn < 0 {
		bad("haproxy-maxconn: %d is negative, expected 1 or more, or 0 to let HAProxy choose", s.maxconn)
	}
	for name, text := range map[string]string{
		"haproxy-user": s.haproxyUser, "haproxy-group": s.haproxyGroup, "haproxy-log": s.haproxyLog,
		"haproxy-socket-path": s.statsSocket, "haproxy-master-socket-path": s.masterSocket,
		"haproxy-peers-socket-path": s.peersSocket,
	} {
		if strings.ContainsAny(text, "\n\r\"'\\#") {
			bad("%s: %q contains a line break, quote, backslash or #, which haproxy.cfg does not allow here", name, text)
		}
	}
}

func (s *Agent) checkReloads(bad func(format string, args ...any)) {
	if s.reloadJitter < 0 {
		bad("reload-jitter: %s is negative, expected 0s or more", s.reloadJitter)
	}
	if s.reloadEvery <= 0 {
		bad("reload-every: %s is too short, expected more than 0s", s.reloadEvery)
	}
	if s.reloadBurst < 1 {
		bad("reload-burst: %d is too few, expected 1 or more", s.reloadBurst)
	}
}

// Loopback reports whether only this machine can reach the API.
func (s *Agent) Loopback() bool {
	if s.host == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(s.host)
	return err == nil && a.IsLoopback()
}

// Listen is the address of the API, host:port.
func (s *Agent) Listen() string { return net.JoinHostPort(s.host, strconv.Itoa(s.port)) }

// Consul is Consul's address in the form of [discovery.Config].
func (s *Agent) Consul() string {
	if strings.Contains(s.consulAddress, "://") {
		return s.consulAddress
	}
	if _, _, err := net.SplitHostPort(s.consulAddress); err == nil {
		return s.consulAddress
	}
	return net.JoinHostPort(strings.Trim(s.consulAddress, "[]"), strconv.Itoa(s.consulPort))
}

// Process is what the settings say about HAProxy itself, rendered into every
// haproxy.cfg.
func (s *Agent) Process() lb.Process {
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

// ownName is the name of the user who runs this program, or the user's number where
// there is no name; HAProxy reports a number that it does not accept.
func ownName() string {
	id := strconv.Itoa(os.Getuid())
	u, err := user.LookupId(id)
	if err != nil {
		return id
	}
	return u.Username
}

// primaryGroup of a user; empty when either is unknown, which HAProxy reports.
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
