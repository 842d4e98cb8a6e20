package wizard

import (
	"strings"

	"thalassa/cluster/config"
)

// Agents of a web server's group.
const (
	apacheAgent     = "ocf:heartbeat:apache"
	nginxAgent      = "ocf:heartbeat:nginx"
	mysqlAgent      = "ocf:heartbeat:mysql"
	pgsqlAgent      = "ocf:heartbeat:pgsql"
	filesystemAgent = "ocf:heartbeat:Filesystem"
)

// webServer makes a group of a file system, a database, an address and a web server.
func webServer() recipe {
	return recipe{
		Wizard: Wizard{
			Name: "web-server", Title: "Web server", Help: "A group of a file system, a database, a floating IP and a web server. They run on one node, and start in this order. File system and database may be left out.",
			Fields: []Field{
				{Name: "id", Label: "ID", Kind: ID, Required: true, Default: "web", Help: "Of the server. The others are ID-fs, ID-db, ID-ip and ID-group."},
				{Name: "server", Label: "Server", Kind: Choice, Required: true, Default: "apache", Choices: []string{"apache", "nginx"}},
				{Name: "config", Label: "Configuration file", Kind: Text, Help: "The path of the server's configuration file. Without it, that of the agent."},
				{Name: "status-url", Label: "Status page", Kind: Text, Help: "A URL of the server that its monitor asks for."},
				{Name: "ip", Label: "Address", Kind: Address, Required: true, Help: "An unused address of the network, e.g. 192.0.2.10/24."},
				{Name: "interface", Label: "Interface", Kind: Text, Help: "Without it, the interface that has the network."},
				{Name: "device", Label: "Device", Kind: Text, Help: "Of the file system, e.g. /dev/drbd0 or nfs:/export."},
				{Name: "directory", Label: "Mount point", Kind: Text, Help: "The path at which the file system is mounted."},
				{Name: "fstype", Label: "File system", Kind: Text, Help: "Its type, e.g. ext4, xfs or nfs."},
				{Name: "options", Label: "Mount options", Kind: Text},
				{Name: "database", Label: "Database", Kind: Choice, Choices: []string{"mysql", "pgsql"}},
				{Name: "database-directory", Label: "Data of the database", Kind: Text, Help: "The path of its directory. Without it, that of the agent."},
				{Name: "database-config", Label: "Configuration of the database", Kind: Text, Help: "The path of its configuration file. Without it, that of the agent."},
			},
		},
		agents: func(v Values) []string {
			out := []string{addressAgent, serverAgent(v)}
			if hasFileSystem(v) {
				out = append(out, filesystemAgent)
			}
			if agent := databaseAgent(v); agent != "" {
				out = append(out, agent)
			}
			return out
		},
		make: func(m *maker) {
			id := m.value("id")
			m.checkPaths("config", "directory", "database-directory", "database-config")
			var members []string
			for _, p := range []part{m.fileSystem(id), m.database(id), m.addressPart(id+"-ip", "id", ""), m.server(id)} {
				if p.agent != "" {
					m.primitive(p)
					members = append(members, p.id)
				}
			}
			m.isFree("id", id+"-group")
			m.put(config.Groups, id+"-group", map[string]any{"members": members})
		},
	}
}

func serverAgent(v Values) string {
	if v["server"] == "nginx" {
		return nginxAgent
	}
	return apacheAgent
}

func databaseAgent(v Values) string {
	return map[string]string{"mysql": mysqlAgent, "pgsql": pgsqlAgent}[v["database"]]
}

func hasFileSystem(v Values) bool {
	return v["device"] != "" || v["directory"] != "" || v["fstype"] != "" || v["options"] != ""
}

// checkPaths reports values that are no paths from the root.
func (m *maker) checkPaths(fields ...string) {
	for _, field := range fields {
		if value := m.value(field); value != "" && !strings.HasPrefix(value, "/") {
			m.bad(field, value, "a path that begins with /")
		}
	}
}

func (m *maker) server(id string) part {
	url := m.value("status-url")
	if url != "" && !strings.HasPrefix(url, "http://") && !strings.HasPrefix(url, "https://") {
		m.bad("status-url", url, "a URL such as http://127.0.0.1/server-status")
	}
	p := part{
		id: id, idField: "id", agent: serverAgent(m.Values), agentField: "server",
		params: []parameter{{"configfile", m.value("config"), "config"}, {"statusurl", url, "status-url"}},
	}
	if p.agent == nginxAgent { // it asks for the page with depth 10
		p.params[1].name, p.deep = "status10url", url != ""
	}
	return p
}

func (m *maker) fileSystem(id string) part {
	if !hasFileSystem(m.Values) {
		return part{}
	}
	p := part{id: id + "-fs", idField: "id", agent: filesystemAgent, agentField: "fstype"}
	for _, name := range []string{"device", "directory", "fstype", "options"} {
		value := m.value(name)
		if value == "" && name != "options" {
			m.fe.Add(name, "is missing", "a value, as for the rest of the file system")
		}
		p.params = append(p.params, parameter{name, value, name})
	}
	return p
}

func (m *maker) database(id string) part {
	p := part{id: id + "-db", idField: "id", agent: databaseAgent(m.Values), agentField: "database"}
	directory := map[string]string{mysqlAgent: "datadir", pgsqlAgent: "pgdata"}[p.agent]
	for _, q := range []parameter{{directory, m.value("database-directory"), "database-directory"}, {"config", m.value("database-config"), "database-config"}} {
		if p.agent == "" && q.value != "" {
			m.fe.Add("database", "is missing for "+q.field, "mysql or pgsql")
		}
		p.params = append(p.params, q)
	}
	return p
}
