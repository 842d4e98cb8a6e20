package ocf

import (
	"fmt"
	"maps"
	"math"
	"net/url"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A parameter is one of the resource's, as the metadata describes it.
type parameter struct {
	name, kind, fallback string // kind: string, integer or time (in seconds, or with a unit)
	reloadable           bool   // a new value calls reload-agent instead of a restart
	short, long          string
}

// parameters lists all of them. The defaults are the paths of the packaged
// settings of the thalassa agent.
func parameters() []parameter {
	return []parameter{
		{
			name: "config", kind: "string", fallback: "/var/lib/thalassa/haproxy.cfg",
			short: "HAProxy's configuration file",
			long: `The file that HAProxy reads: haproxy-cfg-path of the thalassa agent, which keeps it up to date on every node, also where
HAProxy does not run. Beside it, under the same name with .last-good added, is the newest one that HAProxy has run; HAProxy starts
with that when it does not start with the first.`,
		},
		{
			name: "binary", kind: "string", fallback: "haproxy",
			short: "HAProxy's program",
			long:  `A path, or a name that is looked for in the usual folders. HAProxy 2.6 or newer.`,
		},
		{
			name: "stats_socket", kind: "string", fallback: "/run/thalassa/haproxy.sock",
			short: "HAProxy's stats socket",
			long: `The "stats socket" of the configuration, at level admin: haproxy-socket-path of the thalassa agent. A HAProxy that does not
answer there is taken for one that does not work.`,
		},
		{
			name: "master_socket", kind: "string", fallback: "/run/thalassa/master.sock",
			short: "Socket of HAProxy's master process",
			long: `Given to HAProxy with -S: haproxy-master-socket-path of the thalassa agent, which adopts and reloads HAProxy through it. A
process is taken for this HAProxy only when it was started with this path, whatever its process id.`,
		},
		{
			name: "pidfile", kind: "string", fallback: "/run/thalassa/haproxy.pid",
			short: "HAProxy's pid file",
			long: `Where HAProxy writes its master's process id: haproxy-pid-path of the thalassa agent. A process that the file names is
looked at before it is believed.`,
		},
		{
			name: "startup_log", kind: "string", fallback: "/var/lib/thalassa/haproxy.startup.log",
			short: "File for HAProxy's own words",
			long: `What HAProxy writes to its standard output and error at a start or reload: the reasons of a failure. The thalassa agent reads
it as haproxy.startup.log in its db-path.`,
		},
		{
			name: "user", kind: "string",
			short: "User that HAProxy runs as",
			long: `HAProxy's master and workers run as this user, who may bind ports below 1024 nevertheless. It should be the user of the
thalassa agent, who writes the configuration and uses the sockets. By default it is the owner of the configuration file, or
that of its folder where the file is root's.`,
		},
		{
			name: "open_files", kind: "integer", fallback: "524288",
			short: "Limit of open files",
			long:  `The greatest number of file descriptors that HAProxy may use; every connection through it takes two. 0: as Pacemaker has it.`,
		},
		{
			name: "drain_time", kind: "time", fallback: "5s",
			short: "Time for the last connections",
			long: `How long a stop lets connections come to their end after HAProxy has closed its listeners. Then they are cut off, at last
by force, so that the stop is done within its timeout, of which no more than half is spent here.`,
		},
		{
			name: "agent_url", kind: "string", fallback: "http://127.0.0.1:10000",
			short: "API of this node's thalassa agent",
			long: `Asked by the monitor at depth 10 and 20 whether the agent keeps HAProxy's configuration up to date, and whether Consul answers
it. If not, the resource is shown as degraded (190) and left running. none: the agent is not asked.`,
		},
		{
			name: "check_url", kind: "string",
			short: "URL that the monitor asks at depth 20",
			long: `A request through HAProxy, for instance http://127.0.0.1/healthz. No answer is a failure; a status of 500 or above is shown as
degraded, because a start on another node would not change what the services say. Empty: none.`,
		},
		{
			name: "generation", kind: "string", fallback: "0", reloadable: true,
			short: "Number of the configuration's rollout",
			long: `Has no meaning of its own. A new value makes every node check its configuration file and have HAProxy read it, without a
restart and without a lost connection ("crm_resource -r RESOURCE -p generation -v NUMBER"; "thalassa cluster rollout" does it after
every node has validated its file).`,
		},
	}
}

// nobody is the agent_url of a node without a thalassa agent.
const nobody = "none"

// ParameterNames lists the resource's parameters.
func ParameterNames() []string {
	all := parameters()
	names := make([]string, 0, len(all))
	for _, p := range all {
		names = append(names, p.name)
	}
	return names
}

// values are parsed parameters.
type values struct {
	config, binary, statsSocket, masterSocket, pidFile, startupLog string
	user, agentURL, checkURL                                       string
	openFiles                                                      uint64
	drain                                                          time.Duration
}

// parse reads the parameters. The values are usable also when there is an error:
// a wrong one has its default then, so that HAProxy can be stopped.
func parse(given map[string]string) (values, error) {
	text := map[string]string{}
	for _, p := range parameters() {
		text[p.name] = p.fallback
	}
	for name, value := range given {
		if value != "" {
			text[name] = value
		}
	}
	if text["agent_url"] == nobody {
		text["agent_url"] = ""
	}
	v := values{
		config: text["config"], binary: text["binary"], statsSocket: text["stats_socket"], masterSocket: text["master_socket"],
		pidFile: text["pidfile"], startupLog: text["startup_log"], user: text["user"], agentURL: text["agent_url"], checkURL: text["check_url"],
		drain: 5 * time.Second,
	}
	var problems []string
	bad := func(name, format string, args ...any) {
		problems = append(problems, name+": "+fmt.Sprintf(format, args...))
	}
	for _, name := range []string{"config", "stats_socket", "master_socket", "pidfile", "startup_log"} {
		if !filepath.IsAbs(text[name]) {
			bad(name, "%q is no absolute path", text[name])
		}
	}
	for _, name := range []string{"agent_url", "check_url"} {
		if u, err := url.Parse(text[name]); text[name] != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
			bad(name, "%q is no URL", text[name])
		}
	}
	if drain, err := parseTime(text["drain_time"]); err != nil {
		bad("drain_time", "%v", err)
	} else {
		v.drain = drain
	}
	files, err := strconv.ParseUint(text["open_files"], 10, 32)
	if err != nil {
		bad("open_files", "%q is no number", text["open_files"])
	}
	v.openFiles = files
	if len(problems) > 0 {
		slices.Sort(problems)
		return v, fmt.Errorf("%s", strings.Join(problems, "; "))
	}
	return v, nil
}

// parseTime reads a time as Pacemaker writes them: seconds, or with a unit.
func parseTime(text string) (time.Duration, error) {
	units := map[string]time.Duration{
		"": time.Second, "s": time.Second, "sec": time.Second, "ms": time.Millisecond, "msec": time.Millisecond, "m": time.Minute, "min": time.Minute,
	}
	number := strings.TrimRight(text, "secmin")
	unit, known := units[strings.TrimSpace(text[len(number):])]
	n, err := strconv.ParseUint(strings.TrimSpace(number), 10, 31)
	if err != nil || !known || n > uint64(math.MaxInt64/max(unit, 1)) {
		return 0, fmt.Errorf("%q is no time, expected a number with one of the units %s", text, strings.Join(slices.Sorted(maps.Keys(units))[1:], ", "))
	}
	return time.Duration(n) * unit, nil
}

// ids of a user by name or number.
func ids(name string) (uid, gid uint32, err error) {
	u, err := user.Lookup(name)
	if err != nil {
		if u, err = user.LookupId(name); err != nil {
			return 0, 0, fmt.Errorf("user: there is no user %q on this node", name)
		}
	}
	both := [2]uint32{}
	for i, id := range []string{u.Uid, u.Gid} {
		n, err := strconv.ParseUint(id, 10, 32)
		if err != nil {
			return 0, 0, fmt.Errorf("user: the id %q of %s: %w", id, name, err)
		}
		both[i] = uint32(n)
	}
	return both[0], both[1], nil
}
