package ocf

// A parameter is a parameter of the resource, as the metadata describes it.
type parameter struct {
	name, kind, fallback string // kind: string, integer or time (seconds, or with a unit)
	reloadable           bool   // a new value causes reload-agent instead of a restart
	short, long          string
}

// ParameterNames lists the parameters of the resource agent of HAProxy.
func ParameterNames() []string { return namesOf(parameters()) }

func namesOf(all []parameter) []string {
	names := make([]string, 0, len(all))
	for _, p := range all {
		names = append(names, p.name)
	}
	return names
}

// parameters returns all parameters. The default paths are those of the packaged
// settings of the thalassa agent.
func parameters() []parameter {
	return []parameter{
		{"config", "string", "/var/lib/thalassa/haproxy.cfg", false, "HAProxy's configuration file", aboutConfig},
		{"binary", "string", "haproxy", false, "HAProxy's program", aboutBinary},
		{"stats_socket", "string", "/run/thalassa/haproxy.sock", false, "HAProxy's stats socket", aboutStatsSocket},
		{"master_socket", "string", "/run/thalassa/master.sock", false, "HAProxy's master socket", aboutMasterSocket},
		{"pidfile", "string", "/run/thalassa/haproxy.pid", false, "HAProxy's pid file", aboutPIDFile},
		{"startup_log", "string", "/var/lib/thalassa/haproxy.startup.log", false, "File for HAProxy's startup messages", aboutStartupLog},
		{"user", "string", "", false, "User of the HAProxy processes", aboutUser},
		{"open_files", "integer", "524288", false, "Maximum open files", aboutOpenFiles},
		{"drain_time", "time", "5s", true, "Time for open connections at a stop", aboutDrainTime},
		{"agent_url", "string", "http://127.0.0.1:10000", true, "API of the thalassa agent of this node", aboutAgentURL},
		{"check_url", "string", "", true, "URL that the monitor requests at depth 20", aboutCheckURL},
		{"generation", "string", "0", true, "Number of the configuration's rollout", aboutGeneration},
	}
}

// The long descriptions of the parameters.
const (
	aboutConfig = `The file that HAProxy reads. It is haproxy-cfg-path of the thalassa agent, which keeps it up to date on every node, including those
where HAProxy does not run. The newest file that HAProxy has run is beside it, with .last-good added to its name. HAProxy starts with
that one if it does not start with the first.`

	aboutBinary = `A path, or a name that is searched in the usual directories. HAProxy 2.6 or newer.`

	aboutStatsSocket = `The "stats socket" of the configuration, with level admin. It is haproxy-socket-path of the thalassa agent. If HAProxy does not
answer there, the monitor fails.`

	aboutMasterSocket = `The option -S of HAProxy. It is haproxy-master-socket-path of the thalassa agent, which adopts and reloads HAProxy through it.
The resource only controls a process that was started with this path, whatever its process id.`

	aboutPIDFile = `Where HAProxy writes the process id of its master. It is haproxy-pid-path of the thalassa agent. The process is verified before it
is used.`

	aboutStartupLog = `The standard output and error of HAProxy at a start or reload, with the reasons of a failure. The thalassa agent reads it as
haproxy.startup.log in its db-path.`

	aboutUser = `HAProxy's master and workers run as this user, and may still bind ports below 1024. It should be the user of the thalassa agent,
who writes the configuration and uses the sockets. The default is the owner of the configuration file, or the owner of its directory
if the file belongs to root.`

	aboutOpenFiles = `The maximum number of file descriptors of HAProxy. Every connection through it uses two. With 0, the limit is Pacemaker's.`

	aboutDrainTime = `How long a stop waits for open connections after HAProxy has closed its listeners. Then it closes them, if necessary by killing
HAProxy, so that the stop ends within its timeout. At most half of the timeout is spent here.`

	aboutAgentURL = `At depth 10 and 20, the monitor asks the agent whether it keeps HAProxy's configuration up to date, and whether Consul answers.
If not, the resource is reported as degraded (190) and keeps running. With none, the agent is not asked.`

	aboutCheckURL = `A request through HAProxy, for example http://127.0.0.1/healthz. No answer is a failure. A status of 500 or above is reported as
degraded, because a start on another node would not change the answers of the services. Empty: no request.`

	aboutGeneration = `It has no meaning of its own. With a new value, every node checks its configuration file and reloads HAProxy, without a restart and
without losing a connection ("crm_resource -r RESOURCE -p generation -v NUMBER"). "thalassa cluster rollout" sets it after every node
has validated its file.`
)
