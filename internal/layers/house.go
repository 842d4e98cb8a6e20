package layers

// Rules say what each package of a module may do. Packages are named by their path below the
// module; for test files (and the packages in Tests) only the rules about tests apply.
type Rules struct {
	Module string
	// Packages has every package of the module and the project's packages that
	// it may import; Anything allows all but those in Tests.
	Packages map[string][]string
	// Tests are packages that exist for tests; nothing else may import them.
	Tests []string
	// Pure packages use only values: they do no I/O and read no clock.
	Pure []string
	// Vars are the allowed package-level variables, as package.name.
	Vars []string
	// Imports says who owns a package from outside the module. A library must
	// have an owner, but for those in Free.
	Imports []Import
	Free    []string
	// Uses says who may use a function or variable from outside the module.
	Uses []Use
	// Clocks are the files that may mention time.Now, below the module, and why.
	Clocks map[string]string
	// Dialers may dial a unix socket; HAProxy's are reached through statsock.
	Dialers []string
	// Program is the one package that ends the process, at one place.
	Program string
	// Words may not name a package, Stems may not name a file.
	Words, Stems []string
}

// Anything stands for all packages of the module that are not for tests.
const Anything = "..."

// An Import reserves an import path, and all below it, to its owners.
type Import struct {
	Path   string
	Except []string // paths below Path that everybody may import
	Owners []string // packages; a parent stands for all below it
	Why    string
}

// A Use reserves names of an imported package to its owners.
type Use struct {
	Path   string
	Names  []string
	Owners []string // packages; a parent stands for all below it
	Why    string
}

// House returns the rules of Thalassa, from docs/architecture.md.
func House() Rules {
	return Rules{
		Module:   "thalassa",
		Packages: rooms(),
		Tests:    []string{"api/apitest", "store/storetest", "internal/testkit", "internal/testkit/cluster", "internal/testkit/figures", "internal/testkit/history", "internal/layers", "e2e"},
		Pure:     []string{"lb", "cluster", "cluster/cibxml", "cluster/config", "cluster/crmsh", "cluster/failover", "cluster/wizard", "corosync", "certs", "stage", "gateway", "manifest", "backup", "template", "imports", "plan"},
		Vars:     []string{"template.libraryLock"}, // guards a variable of config-parser's
		Imports:  imports(),
		Free:     []string{"golang.org/x"},
		Uses:     uses(),
		Clocks:   clocks(),
		Dialers:  []string{"statsock", "consul", "auth/pam", "internal/peer", "cmd/thalassa"}, // the others: Consul's own, those of thalassa-pam, thalassa-node and thalassa-membership, systemd's
		Program:  "cmd/thalassa",
		Words:    []string{"util", "utils", "common", "helper", "helpers", "type", "types", "manager", "misc"},
		Stems:    []string{"util", "utils", "common", "helper", "helpers", "misc"},
	}
}

// rooms lists the packages, each after those that it may import.
func rooms() map[string][]string {
	return map[string][]string{
		"lb":                  nil,
		"cluster":             {"lb"},
		"cluster/cibxml":      {},
		"cluster/config":      {"cluster", "cluster/cibxml", "lb"},
		"cluster/crmsh":       {"cluster/cibxml"},
		"cluster/failover":    {"cluster"},
		"cluster/wizard":      {"cluster", "cluster/cibxml", "cluster/config", "lb"},
		"certs":               {"lb"},
		"internal/strictjson": {"lb"},
		"stage":               {"lb"},
		"gateway":             {"lb"},
		"manifest":            nil,
		"backup":              nil,
		"pyhrapi":             {"gateway", "lb"},
		"api/node":            {"backup", "certs", "internal/strictjson", "lb", "stage"},
		"internal/batch":      nil,
		"internal/wake":       nil,
		"internal/leftover":   nil,
		"internal/head":       nil,
		"internal/peer":       nil,
		"internal/memory":     nil,
		"internal/permit":     {"lb"},
		"internal/logqueue":   nil,
		"internal/heartbeat":  nil,
		"internal/safefile":   {"internal/leftover"},
		"auth":                {"lb", "internal/safefile"},
		"auth/oidc":           {"internal/safefile"},
		"auth/pam":            {"auth", "internal/head", "internal/peer"},
		"auth/peers":          {"auth", "consul", "internal/wake"},
		"audit":               {"internal/logqueue", "internal/safefile"},
		"template":            {"lb"},
		"imports":             {"lb", "template"},
		"natives":             {"lb"},
		"plan":                {"lb"},
		"activity":            {"internal/wake"},
		"acme":                {"activity", "certs", "consul", "lb", "internal/safefile", "internal/wake"},
		"ocsp":                {"lb", "internal/wake"},
		"canary":              {"activity", "lb", "internal/permit", "internal/wake"},
		"statsock":            {"lb", "internal/peer"},
		"haproxy":             {"statsock", "lb", "internal/heartbeat", "internal/leftover", "internal/safefile", "internal/head"},
		"stats":               {"statsock", "lb", "internal/wake"},
		"stream":              nil,
		"live":                {"stream"},
		"store":               {"activity", "backup", "cluster", "cluster/config", "internal/strictjson", "lb", "stage", "internal/wake", "internal/leftover", "internal/safefile"},
		"consul":              {"internal/safefile", "internal/wake"},
		"discovery":           {"consul", "lb", "internal/wake"},
		"pacemaker":           {"cluster", "cluster/cibxml", "cluster/config", "cluster/failover", "cluster/wizard", "corosync", "lb", "internal/permit", "internal/safefile", "internal/wake", "internal/leftover", "internal/head"},
		"services":            {"lb", "internal/safefile", "internal/strictjson", "internal/wake", "internal/head", "internal/peer"},
		"nodes":               {"cluster", "corosync", "lb", "membership", "services", "internal/safefile", "internal/strictjson", "internal/wake"},
		"drafts":              {"cluster", "cluster/config", "lb", "internal/wake"},
		"jobs":                {"activity", "cluster", "cluster/config", "lb", "pacemaker", "internal/permit", "internal/wake"},
		"pacemaker/history":   {"cluster", "cluster/cibxml", "cluster/config", "cluster/failover", "lb", "pacemaker", "internal/safefile", "internal/wake"},
		"corosync":            nil,
		"bootstrap":           {"cluster", "cluster/cibxml", "corosync", "services", "internal/safefile", "internal/wake", "internal/head"},
		"membership":          {"bootstrap", "corosync", "lb", "internal/peer", "internal/strictjson"},
		"control":             {"lb", "internal/batch", "internal/wake"},
		"ui":                  nil,
		"routes":              {"auth", "lb"},
		"listen":              {"internal/wake", "internal/safefile"},
		"client":              {"activity", "api/node", "cluster", "lb", "listen", "internal/wake"},
		"clusters":            {"client", "cluster", "lb", "internal/safefile", "internal/wake"},
		"api":                 {"activity", "api/node", "audit", "auth", "auth/oidc", "backup", "certs", "cluster", "cluster/cibxml", "cluster/config", "cluster/crmsh", "cluster/failover", "cluster/wizard", "clusters", "gateway", "imports", "lb", "listen", "live", "pyhrapi", "routes", "stage", "stats", "stream", "ui", "internal/permit", "internal/safefile", "internal/strictjson", "internal/wake"},
		"api/console":         {"api", "auth", "cluster", "cluster/cibxml"},
		"api/hrapi":           {"api", "auth", "backup", "certs", "gateway", "imports", "lb", "pyhrapi", "stage", "internal/safefile"},
		"agent":               {"discovery", "haproxy", "store", "plan", "template", "activity", "lb", "stage", "internal/batch", "internal/heartbeat", "internal/permit", "internal/wake", "internal/safefile"},
		"ocf":                 {"haproxy", "lb", "internal/wake", "internal/safefile"},
		"dev":                 nil,
		"settings":            {"acme", "ocsp", "api/hrapi", "clusters", "natives", "audit", "auth", "routes", "consul", "control", "agent", "api", "discovery", "haproxy", "listen", "pacemaker", "stats", "statsock", "lb", "internal/logqueue", "internal/safefile"},
		"cli": {
			"settings", "agent", "api/node", "backup", "bootstrap", "client", "cluster", "cluster/failover", "corosync", "pacemaker", "pacemaker/history", "discovery", "haproxy", "store", "auth", "ocf", "dev", "services",
			"template", "activity", "lb", "manifest", "membership", "pyhrapi", "internal/logqueue", "internal/safefile", "internal/wake",
		},
		"cmd/thalassa": {Anything},

		"api/apitest":              {Anything},
		"store/storetest":          {Anything},
		"internal/testkit":         {Anything},
		"internal/testkit/cluster": {Anything, "internal/testkit"},
		"internal/testkit/figures": nil,
		"internal/testkit/history": nil,
		"internal/layers":          nil,
		"e2e":                      {Anything},
	}
}

// imports has the rules 2 to 4: each library has one owner, few packages start
// processes, the program alone knows that it is one.
func imports() []Import {
	return []Import{
		{Path: "github.com/hashicorp", Owners: []string{"consul"}, Why: "consul owns Consul's client"},
		{Path: "github.com/haproxytech", Owners: []string{"template"}, Why: "template owns the parser of haproxy.cfg"},
		{Path: "github.com/labstack", Owners: []string{"api"}, Why: "api owns echo"},
		{Path: "github.com/coder/websocket", Owners: []string{"live", "client"}, Why: "live and client are the two ends of the websocket"},
		{Path: "github.com/miekg/dns", Owners: []string{"acme"}, Why: "acme owns updates of the DNS"},
		{Path: "golang.org/x/crypto/acme", Owners: []string{"acme"}, Why: "acme owns the client of ACME servers"},
		{Path: "github.com/prometheus", Owners: []string{"api"}, Why: "api owns the metrics"},
		{Path: "go.etcd.io", Owners: []string{"store"}, Why: "store owns bbolt"},
		{Path: "filippo.io/age", Owners: []string{"store"}, Why: "store owns the encryption of keys in backups"},
		{Path: "github.com/spf13/cobra", Owners: []string{"cli"}, Why: "cli owns cobra"},
		{Path: "github.com/spf13/pflag", Owners: []string{"cli", "settings"}, Why: "only settings and cli read flags"},
		{Path: "go.yaml.in/yaml", Owners: []string{"settings", "auth", "manifest"}, Why: "settings owns the settings file, auth the access file, manifest what is applied"},
		{Path: "github.com/aymanbagabas/go-udiff", Owners: []string{"stage"}, Why: "stage owns differences of texts"},
		{Path: "zombiezen.com/go/sqlite", Owners: []string{"pyhrapi"}, Why: "pyhrapi owns SQLite"},
		{Path: "github.com/ClusterLabs", Owners: []string{"cmd/thalassa-cib"}, Why: "cmd/thalassa-cib owns go-pacemaker"},
		{Path: "github.com/anishathalye", Owners: []string{"internal/testkit/history"}, Why: "internal/testkit/history owns porcupine"},
		{Path: "google.golang.org/grpc", Owners: []string{"e2e"}, Why: "gRPC is for tests"},
		{Path: "github.com/coreos", Owners: []string{"auth/oidc"}, Why: "auth/oidc owns OpenID Connect"},
		{Path: "golang.org/x/oauth2", Owners: []string{"auth/oidc"}, Why: "auth/oidc owns OpenID Connect"},
		{Path: "github.com/msteinert", Owners: []string{"cmd/thalassa-pam"}, Why: "cmd/thalassa-pam owns PAM"},
		{Path: "os/exec", Owners: []string{"haproxy", "pacemaker", "bootstrap", "services", "auth/pam", "dev"}, Why: "few packages start processes"},
		{Path: "os/signal", Owners: []string{"cmd"}, Why: "only cmd catches signals"},
		{Path: "flag", Owners: []string{"cmd", "settings"}, Why: "only cmd and settings read flags"},
		{Path: "log/syslog", Owners: []string{"audit"}, Why: "audit owns syslog"},
		{Path: "log", Except: []string{"log/slog", "log/syslog"}, Why: "the logger is injected"},
		{Path: "expvar", Why: "it registers itself in the default mux"},
		{Path: "net/http/pprof", Why: "it registers itself in the default mux"},
		{Path: "testing", Why: "the product does not test"},
	}
}

// uses has what rules 3 to 5 say of single names.
func uses() []Use {
	starters := []string{"haproxy", "pacemaker", "dev"}
	return []Use{
		{
			Path: "os", Names: []string{"Getenv", "LookupEnv", "Environ", "ExpandEnv", "Args"},
			Owners: []string{"cmd", "settings"}, Why: "only cmd and settings read the environment and the arguments",
		},
		{
			Path: "os", Names: []string{"Open", "OpenFile", "ReadFile", "Create", "WriteFile", "Truncate", "Chown", "Lchown", "Chmod"},
			Owners: []string{"internal/safefile", "bootstrap", "cli", "dev", "pacemaker", "control"},
			// The others read /proc, what their own caller has named, or a directory that they have made.
			Why: "internal/safefile opens files, which other users may have put there",
		},
		{Path: "os", Names: []string{"StartProcess"}, Owners: starters, Why: "few packages start processes"},
		{
			Path: "syscall", Names: []string{"ForkExec", "Exec", "StartProcess", "Exit"},
			Owners: starters, Why: "few packages start processes",
		},
		{Path: "golang.org/x/sys/unix", Names: []string{"Exec", "Exit"}, Owners: starters, Why: "few packages start processes"},
		{
			Path: "net/http", Names: []string{
				"DefaultClient", "DefaultServeMux", "DefaultTransport", "Handle", "HandleFunc", "Get", "Head",
				"Post", "PostForm", "ListenAndServe", "ListenAndServeTLS",
			},
			Why: "there are no default registries",
		},
		{
			Path: "log/slog", Names: []string{
				"Debug", "Info", "Warn", "Error", "Log", "LogAttrs", "DebugContext", "InfoContext",
				"WarnContext", "ErrorContext", "Default",
			},
			Why: "the logger is injected",
		},
		{Path: "log/slog", Names: []string{"SetDefault"}, Owners: []string{"cmd"}, Why: "cmd alone hands the logger to the standard library"},
	}
}

// impure is what a pure package may not import: everything that reaches the
// outside, waits, or differs from one run to the next.
func impure() []Import {
	const why = "a pure package decides with values alone"
	paths := []string{
		"context", "crypto/rand", "database", "io/fs", "io/ioutil", "log", "math/rand", "net", "os", "plugin",
		"runtime", "syscall", "unsafe", "golang.org/x/sys",
	}
	rules := make([]Import, len(paths))
	for i, p := range paths {
		rules[i] = Import{Path: p, Why: why}
		if p == "net" {
			rules[i].Except = []string{"net/netip", "net/url"}
		}
	}
	return rules
}

// clock has the functions that a pure package may not call: it gets the time as an argument.
func clock() Use {
	return Use{
		Path: "time", Names: []string{"Now", "Since", "Until", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"},
		Why: "a pure package is told the time",
	}
}
