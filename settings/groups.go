package settings

// A Group is settings of one subject: a heading of `thalassa agent --help` and a
// section of docs/cli.md.
type Group struct {
	Title    string
	About    string // Markdown: what the settings are for; may be empty
	Settings []Setting
}

// A Setting is what is known of a flag beside its help.
type Setting struct {
	Name        string // of the flag
	Explanation string // Markdown, whole sentences; empty: the help is enough
	// Live: a new value takes effect when the settings are read again; otherwise the agent
	// needs a restart.
	Live bool
}

// Groups are all settings of the agent in the order in which they are shown.
func Groups() []Group {
	return []Group{general(), apiGroup(), consulGroup(), holdGroup(), haproxyGroup(), reloadGroup(), acmeGroup(), ocspGroup(), clusterGroup(), otherGroup(), storageGroup()}
}

func general() Group {
	return Group{
		Title: "General",
		Settings: []Setting{
			{Name: "config", Explanation: "A flag on the command line overrides the same key in the file. This is the only flag that is not a key itself."},
			{Name: "label", Explanation: "Shown in `thalassa status` and in the web UI, and a tag of the agent's service in Consul."},
			{Name: "location", Explanation: "Metadata of the agent's service in Consul, for example a cloud region."},
			{Name: "log-format", Live: true},
			{Name: "debug", Live: true},
		},
	}
}

// apiGroup configures api.Config and auth.Open.
func apiGroup() Group {
	own := ownOrderSettings()
	return Group{
		Title: "API",
		Settings: []Setting{
			{Name: "host", Explanation: "An address that is not loopback needs `token-file`, or `insecure-no-auth`. `::` listens on all addresses."},
			{Name: "port", Explanation: "With 0 the system chooses a port; the log shows it."},
			{Name: "tls", Explanation: "`auto`: the agent makes a certificate of its own and renews it. `shared`: the same, with one [key for all nodes](cluster-manage.md#one-key-for-all-nodes) that have the same `session-key-file`. `files`: the certificate of `tls-cert` and `tls-key`. `acme`: one for `tls-names` that is [ordered](acme.md#the-agents-own-address); until then that of `auto`. " +
				"Default: `files` if these are set; else `off` on a loopback address and with `insecure-no-auth`, and `auto` on any other address. See [access.md](access.md)."},
			{Name: "tls-cert", Live: true, Explanation: "The agent reads a changed pair again. One that does not fit, or has expired, is logged and not used."},
			{Name: "tls-key", Live: true},
			{Name: "tls-names", Explanation: "Names and addresses by which clients reach the API, beside those of this machine: an alias, a floating IP."},
			own[0], own[1], own[2], own[3],
			{Name: "token-file", Live: true, Explanation: "One token a line: `ROLE NAME TOKEN`. ROLE is `read`, `deploy`, `operate` or `admin`. NAME is the author of changes. " +
				"TOKEN has at least 16 characters, or is `sha256:` and the hex digest of such a token. Other users must not be able to read the file. " +
				"The agent reads a changed file again. Without this file, every user of the machine may change everything; connections that HAProxy opens have no rights."},
			{Name: "access-file", Live: true, Explanation: "Users with passwords, tokens that expire, and certificates of clients, in YAML. `thalassa user` and `thalassa token` write it; see [access.md](access.md#users-tokens-and-certificates). " +
				"It may be used beside `token-file` or instead."},
			{Name: "session-key-file", Explanation: "At least 32 random bytes, the same on all nodes of the cluster. Needs `access-file` or `token-file`. Other users must not be able to read the file. " +
				"See [sessions.md](sessions.md), and [acme.md](acme.md#several-nodes) for the certificates."},
			{Name: "session-kv-prefix", Explanation: "Each cluster needs its own. The agent's token for Consul needs `key_prefix` with the policy `write` for it."},
			{Name: "audit-file", Explanation: "JSON lines, one for each change, login and refusal; older files are beside it, with the suffixes `.1` to `.7`. See [access.md](access.md#audit)."},
			{Name: "audit-syslog", Explanation: "Facility authpriv. A syslog that does not read holds nothing up: records are dropped, and the log says so."},
			{Name: "audit-max-age", Explanation: "1h or more."},
			{Name: "audit-max-size", Explanation: "1 to 1024. All files together."},
			{Name: "client-ca", Live: true, Explanation: "Needs TLS and `access-file`. Clients may show a certificate that one of these CAs has signed. Read at start and on SIGHUP."},
			{Name: "allowed-hosts", Explanation: "Without tokens the API accepts only requests whose Host header is `localhost`, an IP address or one of these names. " +
				"This keeps web pages from reaching the API through a DNS name of their own (DNS rebinding)."},
			{Name: "max-connections", Explanation: "By default the agent keeps 64 file descriptors, and those for Consul, for its own work; at most 10,000. An eighth is for this machine alone."},
			{Name: "max-connections-per-address", Explanation: "At most half of `max-connections`. A proxy in front of the API is one address: raise it there. The loopback is one address too, and so is an IPv6 network of 64 bits."},
			{Name: "max-websockets-per-caller", Explanation: "Each page of the web UI has one. Behind a proxy, raise it with `max-connections-per-address`."},
			{Name: "routes", Live: true, Explanation: "Each has a `path` and either `files` or `proxy`: `[{path: /img/, files: /srv/images}]`. See [routes.md](routes.md)."},
			{Name: "insecure-no-auth", Explanation: "Everybody who reaches the address may change everything."},
			{Name: "v1-dashboard", Explanation: "At a port from 9010 to 9099, which the commit answers. The page needs no token: an address that is not loopback shows it to everybody who reaches that. See [hrapi.md](hrapi.md)."},
			{Name: "v1-endpoint-ip", Explanation: "Also from the environment variable `MODACLOUDS_LOAD_BALANCER_GATEWAY_ENDPOINT_IP`. Texts of haproxy.cfg that are uploaded below /v1 may name the variable. See [hrapi.md](hrapi.md#whole-files)."},
			{Name: "v1-endpoint-port-min", Explanation: "Also from `MODACLOUDS_LOAD_BALANCER_GATEWAY_ENDPOINT_PORT_MIN`."},
			{Name: "v1-endpoint-port-max", Explanation: "Also from `MODACLOUDS_LOAD_BALANCER_GATEWAY_ENDPOINT_PORT_MAX`. A text that names a later port is refused."},
			{Name: "v1-artifacts", Explanation: "pyHrapi's repository has the paths `/v1/repositories/mlbc/artifacts/` there. Backups have the whole configuration, without keys: everybody who can read the repository can read it. See [hrapi.md](hrapi.md#backups)."},
			{Name: "v1-artifacts-credentials", Explanation: "Read at each request. They are sent over https, or to this machine."},
			{Name: "v1-stop", Explanation: "Whoever has the role admin can then end all traffic of this node. Only with `haproxy: managed`: elsewhere Pacemaker or systemd decide."},
			{Name: "metrics-open", Explanation: "Lets Prometheus scrape `/metrics` without a token. All other paths still need one. If a grant has `see: false`, these metrics name no object."},
			{Name: "stats-interval", Explanation: "100ms to 1m."},
		},
	}
}

// consulGroup configures discovery.Config and discovery.RegistrarConfig.
func consulGroup() Group {
	return Group{
		Title: "Consul",
		Settings: []Setting{
			{Name: "service-reg", Explanation: "A URL may begin with `http://` or `https://`. Without a scheme it is HTTPS when one of the TLS settings below is set."},
			{Name: "service-reg-port"},
			{Name: "datacenter"},
			{Name: "consul-namespace"},
			{Name: "consul-partition"},
			{Name: "consul-token-file", Live: true, Explanation: "The agent reads a changed file again. Without this file the token is taken from the environment variable `CONSUL_HTTP_TOKEN`."},
			{Name: "consul-ca-file", Live: true, Explanation: "Read at start and on SIGHUP. Default: the CAs of the system."},
			{Name: "consul-cert-file", Live: true, Explanation: "Read again for each connection, together with its key."},
			{Name: "consul-key-file", Live: true},
			{Name: "consul-tls-name", Live: true},
			{Name: "consul-max-connections", Explanation: "At least 12. The limit holds for any number of services: the services that changed last have a blocking query each, " +
				"and queries over the whole catalog cover the others."},
			{Name: "accept-warning"},
			{Name: "register", Explanation: "Registers the agent as the service `thalassa`, and each frontend that has `register`."},
		},
	}
}

// holdGroup configures the holds of discovery.Config.
func holdGroup() Group {
	return Group{
		Title: "Sudden loss of instances",
		About: "When Consul suddenly lists far fewer instances of a service, Thalassa *holds* the missing ones: they stay in use until the loss is " +
			"confirmed. [reliability.md](reliability.md) explains what confirms it.",
		Settings: []Setting{
			{Name: "hold-share", Explanation: "A loss of more than this share of a service's instances within ten seconds is held. With 1 no loss is held."},
			{Name: "hold-min", Explanation: "A loss of fewer instances is never held."},
			{Name: "hold-time", Explanation: "After this time the loss counts as confirmed, but only while Consul is readable and still lists something else."},
		},
	}
}

// haproxyGroup configures haproxy.Config and lb.Process.
func haproxyGroup() Group {
	return Group{
		Title: "HAProxy",
		Settings: []Setting{
			{Name: "haproxy", Explanation: "`managed`: the agent starts HAProxy. `pacemaker`: the resource agent `ocf:thalassa:haproxy` starts it. " +
				"`external`: systemd or another program starts it. Reloads work the same way in all modes."},
			{Name: "haproxy-binary", Explanation: "A path, or a name that is looked up in `PATH` and in the `sbin` directories."},
			{Name: "haproxy-cfg-path", Explanation: "Its directory must be writable, because files are staged there."},
			{Name: "haproxy-pid-path", Explanation: "The file is called `haproxy.pid`; see [Sockets and pid file](installing.md#sockets-and-pid-file)."},
			{Name: "haproxy-socket-path", Explanation: "The default file is `haproxy.sock`. A directory where every user may create files, such as `/tmp`, works with a warning."},
			{Name: "haproxy-master-socket-path", Explanation: "Default: `master.sock` in the run-time directory, or `haproxy.master.sock` beside a stats socket that is set."},
			{Name: "haproxy-peers-socket-path", Explanation: "Stick tables survive a reload over this socket. Default: `haproxy.peers.sock` in the directory of the stats socket."},
			{Name: "haproxy-user", Explanation: "The default applies if root starts HAProxy and the user exists."},
			{Name: "haproxy-group"},
			{Name: "haproxy-log", Live: true},
			{Name: "haproxy-stats-bind"},
			{Name: "haproxy-maxconn", Live: true},
			{Name: "haproxy-max-servers", Live: true, Explanation: "Spare slots count. A change that needs more is refused; new members that Consul reports stay unused ([Limits](limits.md))."},
			{Name: "template-file", Explanation: "`thalassa template` prints the embedded template. The agent reads a changed file again."},
			{Name: "natives-dirs", Live: true, Explanation: "[Security](security.md#raw-lines) says which files count as certificates and which are never allowed."},
			{Name: "allow-natives", Live: true, Explanation: "`any` also allows sockets and programs: role admin is then as powerful as HAProxy's user on this machine. See [Security](security.md#raw-lines)."},
			{Name: "stop-haproxy", Explanation: "Without it HAProxy keeps running when the agent stops, and the next agent adopts it. Only with `haproxy: managed`."},
			{Name: "sudo"},
		},
	}
}

// reloadGroup configures the reloads of agent.Config.
func reloadGroup() Group {
	return Group{
		Title: "Reloads",
		Settings: []Setting{
			{Name: "reload-every", Live: true},
			{Name: "reload-burst", Live: true, Explanation: "After a quiet period this many reloads may follow each other at once."},
			{Name: "reload-jitter", Live: true, Explanation: "Keeps a fleet of load balancers from reloading at the same time. Changes by operators are never delayed. With 0s no reload is delayed."},
			{Name: "haproxy-hard-stop-after", Live: true, Explanation: "A reload replaces HAProxy's worker; the old one finishes its connections until this time is over. With 0s there is no limit."},
		},
	}
}

// clusterGroup configures pacemaker.Config.
func clusterGroup() Group {
	return Group{
		Title: "Pacemaker",
		Settings: []Setting{
			{Name: "cluster", Explanation: "`auto`: shows and operates the cluster if this node is part of one. `on`: a cluster that does not answer is shown as offline. `off`: ignores Pacemaker. " +
				"See [cluster.md](cluster.md)."},
		},
	}
}

// storageGroup configures store.Open, and the persistence file of agent.Config.
func storageGroup() Group {
	return Group{
		Title: "Storage",
		Settings: []Setting{
			{Name: "db-path", Explanation: "The agent creates the directory."},
			{Name: "key-file", Explanation: "At least 32 random bytes, for example of `openssl rand -hex 32`. Certificates that are stored already are encrypted at the next start. " +
				"See [certificates.md](certificates.md#where-keys-are)."},
			{Name: "persistence", Explanation: "Imported when the database is empty, and rewritten after every change. A [backup](backup.md) has more."},
		},
	}
}
