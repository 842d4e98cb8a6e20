package settings

import (
	"os"
	"os/user"
	"strconv"
	"time"

	"github.com/spf13/pflag"

	"thalassa/haproxy"
	"thalassa/lb"
	"thalassa/natives"
)

// Agent is the settings of the node agent: each is a flag, and a key of the same
// name in the settings file. Secrets are in files that settings name. A value comes
// from [Agent.Flags] and [Agent.Load], or from [Parse]; afterwards it does not change.
type Agent struct {
	file    string
	cluster string

	apiSettings
	consulSettings
	haproxySettings
	otherSettings
	acme acmeSettings
	ocsp ocspSettings
	logSettings

	source
	paths
}

// Flags declares every setting with its default and help. What takes longer to
// explain is in [Groups].
func (s *Agent) Flags(f *pflag.FlagSet) {
	s.runDirs = runDirs{system: systemRunDir, uid: os.Geteuid()}
	f.StringVar(&s.file, "config", "", "settings `file` in YAML; flags override it")
	apiFlags(s, f)
	consulFlags(s, f)
	haproxyFlags(s, f)
	acmeFlags(s, f)
	ocspFlags(s, f)
	otherFlags(s, f)
	f.StringVar(&s.cluster, "cluster", "auto", "`mode` of the Pacemaker integration: auto, on or off")
	f.StringVar(&s.persistence, "persistence", "", "JSON `file` with a copy of the configured frontends and backends")
	f.StringVar(&s.dbPath, "db-path", "/var/lib/thalassa", "`directory` of the embedded database")
	f.StringVar(&s.keyFile, "key-file", "", "`file` with a secret that encrypts stored certificates and keys")
	f.BoolVar(&s.debug, "debug", false, "debug messages in the log")
	f.StringVar(&s.logFormat, "log-format", "text", "`format` of the log: text or json")
}

func apiFlags(s *Agent, f *pflag.FlagSet) {
	f.StringVar(&s.host, "host", "127.0.0.1", "listen `address` of the API")
	f.IntVar(&s.port, "port", 10000, "listen `port` of the API")
	f.StringVar(&s.label, "label", "", "logical `name` of this load balancer")
	f.StringVar(&s.location, "location", "", "`location` of this node, shown in Consul")
	f.StringVar(&s.tls, "tls", "", "`mode` of TLS for the API: off, auto, shared, files or acme")
	f.StringVar(&s.tlsCert, "tls-cert", "", "PEM `file` of the API's certificate and its chain")
	f.StringVar(&s.tlsKey, "tls-key", "", "PEM `file` of the certificate's key")
	f.StringSliceVar(&s.tlsNames, "tls-names", nil, "additional `names` and addresses of the API")
	ownOrderFlags(&s.ownOrder, f)
	f.StringVar(&s.tokenFile, "token-file", "", "`file` of bearer tokens for the API")
	f.StringVar(&s.accessFile, "access-file", "", "`file` of users, tokens and certificates for the API")
	f.StringVar(&s.sessionKey, "session-key-file", "", "`file` of the key that agents share, for logins and ordered certificates")
	f.StringVar(&s.sessionPrefix, "session-kv-prefix", "thalassa/sessions/", "`prefix` of the keys in Consul that have the cluster's sessions")
	f.StringVar(&s.audit.file, "audit-file", "", "`file` of the audit log (default: audit.jsonl in --db-path)")
	f.BoolVar(&s.audit.syslog, "audit-syslog", false, "audit log also to syslog")
	f.DurationVar(&s.audit.maxAge, "audit-max-age", 90*24*time.Hour, "maximum `age` of records of the audit log")
	f.IntVar(&s.audit.maxSize, "audit-max-size", 64, "maximum size of the audit log in `MiB`")
	f.StringVar(&s.clientCA, "client-ca", "", "PEM `file` of the CAs of the API's clients")
	connectionFlags(s, f)
	f.StringSliceVar(&s.allowedHosts, "allowed-hosts", nil, "additional host `names` that the API accepts without tokens")
	f.BoolVar(&s.insecureNoAuth, "insecure-no-auth", false, "API without tokens on an address that is not loopback")
	f.StringVar(&s.dashboard, "v1-dashboard", "127.0.0.1", "IP `address` of the statistics page of /v1; empty: no page")
	v1Flags(s, f)
	f.BoolVar(&s.metricsOpen, "metrics-open", false, "/metrics without a token")
	f.Var(&s.routes, "routes", "`list` of files and applications behind the API's address")
	f.DurationVar(&s.statsInterval, "stats-interval", time.Second, "`interval` between reads of HAProxy's statistics")
}

func consulFlags(s *Agent, f *pflag.FlagSet) {
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
}

func haproxyFlags(s *Agent, f *pflag.FlagSet) {
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
	f.IntVar(&s.maxServers, "haproxy-max-servers", 50_000, "maximum `number` of server lines in haproxy.cfg")
	f.DurationVar(&s.hardStopAfter, "haproxy-hard-stop-after", 5*time.Minute, "maximum `time` that a replaced worker keeps its connections")
	f.DurationVar(&s.reloadEvery, "reload-every", 500*time.Millisecond, "mean `interval` between reloads during a stream of changes")
	f.IntVar(&s.reloadBurst, "reload-burst", 10, "`number` of reloads without a pause between them")
	f.DurationVar(&s.reloadJitter, "reload-jitter", 2*time.Second, "maximum random `delay` before a reload that Consul triggered")
	f.BoolVar(&s.stopHAProxy, "stop-haproxy", false, "shutdown of HAProxy when the agent stops")
	f.BoolVar(&s.sudo, "sudo", false, "use of sudo to start HAProxy")
	f.StringVar(&s.templateFile, "template-file", "", "template `file` of haproxy.cfg (default: the embedded one)")
	f.StringSliceVar(&s.nativesDirs, "natives-dirs", natives.Dirs(), "`directories` of the files that raw lines (natives) may read")
	f.StringVar(&s.allowNatives, "allow-natives", nativesFiles, "`scope` of raw lines: files (in natives-dirs) or any")
}

// Process is what the settings say about HAProxy itself, rendered into every
// haproxy.cfg.
func (s *Agent) Process() lb.Process {
	p := lb.Process{
		StatsSocket: s.statsSocket, StateFile: haproxy.StateFile(s.cfgPath), CertificateDir: haproxy.CertificateDir(s.cfgPath), PeersSocket: s.peersSocket, PageSocket: s.pageSocket, User: s.haproxyUser, Group: s.haproxyGroup, Log: s.haproxyLog,
		MaxConn: s.maxconn, HardStopAfter: s.hardStopAfter, Challenges: s.challenges(),
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
