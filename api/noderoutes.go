package api

import (
	"net/http"

	"thalassa/auth"
)

const (
	get   = http.MethodGet
	put   = http.MethodPut
	patch = http.MethodPatch
	post  = http.MethodPost
	del   = http.MethodDelete
)

// objectRoutes are those of frontends, backends and certificates.
func (d *nodeDialect) objectRoutes(a *Agent, canaries canaryHandlers) []Route {
	frontends := frontendHandlers{a}
	health := serverHealth{d.cfg.Sampler, d.cfg.Unresolved}
	backends := backendHandlers{agent: a, stats: d.cfg.Stats, health: health, connections: d.cfg.Connections, changeMember: d.cfg.Members}
	stored := storedCertificates{agent: a, keys: d.cfg.Keys, now: d.cfg.Now, orders: d.cfg.Orders, staples: d.cfg.Staples}
	return []Route{
		{get, "/frontends", auth.Read, OnMany, "all frontends", frontends.list},
		{get, "/frontends/{key}", auth.Read, "frontend/{key}", "one frontend", frontends.show},
		{put, "/frontends/{key}", auth.Admin, "frontend/{key}", "create or replace a frontend", frontends.put},
		{del, "/frontends/{key}", auth.Admin, "frontend/{key}", "remove a frontend", frontends.delete},
		{get, "/backends", auth.Read, OnMany, "all backends with their members", backends.list},
		{get, "/backends/{key}", auth.Read, "backend/{key}", "one backend with its members; query: unused", backends.show},
		{put, "/backends/{key}", auth.Admin, "backend/{key}", "create or replace a backend", backends.put},
		{post, "/backends/{key}", auth.Deploy, "backend/{key}", "switch a backend to another version or service, or split its traffic between versions", backends.deploy},
		{del, "/backends/{key}", auth.Admin, "backend/{key}", "remove a backend", backends.delete},
		{get, "/backends/{key}/members", auth.Read, "backend/{key}", "the members of a backend; query: stats, leaving", backends.members},
		{post, "/backends/{key}/members/{id}", auth.Deploy, "backend/{key}", "drain a member, take it out of use, or give it another weight", backends.setMember},
		{get, "/backends/{key}/canary", auth.Read, "backend/{key}", "the last canary of a backend", canaries.show},
		{post, "/backends/{key}/canary", auth.Deploy, "backend/{key}", "deploy a version in steps", canaries.start},
		{post, "/backends/{key}/canary/{action}", auth.Deploy, "backend/{key}", "pause, resume, back, finish or renew a canary", canaries.act},
		{get, "/certificates", auth.Read, OnMany, "all stored certificates, without keys", stored.list},
		{get, "/certificates/{key}", auth.Read, "certificate/{key}", "one of them", stored.show},
		{put, "/certificates/{key}", auth.Admin, "certificate/{key}", "store a certificate with its chain and key, or the certificates of authorities, or say what to order by ACME; query: allowMissingIssuer", stored.put},
		{post, "/certificates/{key}/renew", auth.Operate, "certificate/{key}", "order a certificate again now", stored.renew},
		{del, "/certificates/{key}", auth.Admin, "certificate/{key}", "remove a certificate", stored.delete},
	}
}

// sectionRoutes are those of raw sections.
func (d *nodeDialect) sectionRoutes(a *Agent) []Route {
	h := sectionHandlers{a}
	one := sectionsPath + "/{kind}/{name}"
	return []Route{
		{get, sectionsPath, auth.Read, OnNode, "all raw sections of haproxy.cfg", h.list},
		{get, sectionsPath + "/{kind}", auth.Read, OnNode, "those of one kind", h.list},
		{get, one, auth.Read, OnNode, "one of them", h.show},
		{put, one, auth.Admin, OnNode, "create or replace a raw section", h.put},
		{del, one, auth.Admin, OnNode, "remove a raw section", h.delete},
		{get, globalPath, auth.Read, OnNode, "the raw lines of the global section", h.show},
		{put, globalPath, auth.Admin, OnNode, "replace them", h.put},
		{del, globalPath, auth.Admin, OnNode, "remove them", h.delete},
		{get, defaultsPath, auth.Read, OnNode, "the raw lines of the template's defaults section", h.show},
		{put, defaultsPath, auth.Admin, OnNode, "replace them", h.put},
		{del, defaultsPath, auth.Admin, OnNode, "remove them", h.delete},
	}
}

// historyRoutes are those of haproxy.cfg, of Consul's services and of what happened.
func (d *nodeDialect) historyRoutes(a *Agent) []Route {
	history := historyHandlers{agent: a, history: d.cfg.History, answers: d.answers, archive: d.cfg.Configs, config: d.cfg.HAProxyConfig}
	services := serviceHandlers{agent: a, names: d.cfg.ServiceNames, health: serverHealth{d.cfg.Sampler, d.cfg.Unresolved}}
	activity := activityHandlers{log: sightedLog{d.cfg.Activity, d.cfg.Views.Intent}, answers: d.answers}
	restore := restoreHandler{changesets: changesetHandlers{agent: a}, history: d.cfg.History}
	return []Route{
		{get, "/haproxy/config", auth.Read, OnNode, "haproxy.cfg as last written, as text", history.currentConfig},
		{get, "/haproxy/configs", auth.Read, OnNode, "each haproxy.cfg that was in effect, newest first; query: before, limit", history.listConfigs},
		{get, "/haproxy/configs/{number}", auth.Read, OnNode, "one of them with its text", history.showConfig},
		{post, "/haproxy/reload", auth.Operate, OnNode, "reload HAProxy, so that it reads renewed files", reloadHandler{agent: a, reload: d.cfg.Reload}.handle},
		{get, "/catalog", auth.Read, OnMany, "the names of all services in Consul, watched or not", services.catalog},
		{get, "/services", auth.Read, OnMany, "the watched Consul services with their versions", services.list},
		{get, "/services/{name}", auth.Read, "service/{name}", "one service with its instances", services.show},
		{post, "/services/{name}/accept", auth.Deploy, "service/{name}", "confirm that the held instances are gone", services.accept},
		{get, "/activity", auth.Read, OnMany, "the activity log; query: since, before, filter, limit, wait", activity.list},
		{get, "/revisions", auth.Read, OnMany, "accepted changes, newest first; query: before, limit", history.listRevisions},
		{get, "/revisions/{number}", auth.Read, OnMany, "one revision, or for 3..7 the difference between two", history.showRevision},
		{post, "/revisions/{number}/restore", auth.Admin, OnNode, "make everything as it was as of a revision; query: dryRun", restore.handle},
	}
}

// changeRoutes are those of several changes at once.
func (d *nodeDialect) changeRoutes(a *Agent) []Route {
	changesets := changesetHandlers{agent: a}
	if d.cfg.Keys != nil {
		changesets.certificates = &storedCertificates{agent: a, keys: d.cfg.Keys, now: d.cfg.Now, orders: d.cfg.Orders}
	}
	drafts := draftHandlers{agent: a, changesets: changesets}
	imports := newImportHandlers(a, changesets)
	backups := newBackupHandlers(d.cfg, changesets, d.answers)
	return []Route{
		{post, changesPath, auth.Admin, OnMany, "several changes as one, all or nothing; query: dryRun", changesets.apply},
		{get, "/definitions", auth.Read, OnMany, "all frontends, backends and raw sections as operators defined them", changesets.definitions},
		{get, "/drafts", auth.Read, OnMany, "the changes that are collected and not carried out yet", drafts.list},
		{post, "/drafts", auth.Admin, OnMany, "begin a draft; requests with draft=ID show and change it", drafts.create},
		{get, "/drafts/{id}", auth.Read, OnMany, "one draft", drafts.show},
		{patch, "/drafts/{id}", auth.Admin, OnMany, "give a draft another message", drafts.rename},
		{get, "/drafts/{id}/edits", auth.Read, OnMany, "the last requests that changed a draft, newest first", drafts.edits},
		{post, "/drafts/{id}/undo", auth.Admin, OnMany, "take the last of them back", drafts.undo},
		{get, "/drafts/{id}/diff", auth.Deploy, OnMany, "what its commit would do now", drafts.diff},
		{post, "/drafts/{id}/rebase", auth.Admin, OnMany, "end the conflicts of a draft: its objects win", drafts.rebase},
		{post, "/drafts/{id}/drop", auth.Admin, OnMany, "take what a draft changes of some objects out of it", drafts.drop},
		{post, "/drafts/{id}/commit", auth.Admin, OnMany, "carry out a draft as one change, and remove it", drafts.commit},
		{del, "/drafts/{id}", auth.Admin, OnMany, "remove a draft", drafts.delete},
		{get, backupPath, auth.Admin, OnNode, "a backup of frontends, backends, raw sections, settings of members and drafts", backups.make},
		{post, backupPath, auth.Admin, OnNode, "restore a backup as one change; query: dryRun, force, wait, message", backups.restore},
		{post, importPath, auth.Admin, OnNode, "carry over a database of pyHrapi as one change; query: dryRun, force, wait, message", imports.pyhrapi},
		{post, importHAProxyPath, auth.Admin, OnNode, "carry over a haproxy.cfg as one change; query: dryRun, replace, hostname, message", imports.haproxy},
		{get, "/export/pyhrapi", auth.Read, OnNode, "a database of gateways and pools that pyHrapi reads; query: force", imports.exportPyHrapi},
	}
}

// foresightRoutes are those of drafts and simulations of the Pacemaker cluster, of its agents, and
// of the wizards.
func (d *nodeDialect) foresightRoutes() []Route {
	cluster := d.cluster()
	objects := d.objects(cluster)
	foresight := newForesightHandlers(objects, d.cfg.ClusterForesight, d.pasts())
	drafts := clusterDraftHandlers{foresight}
	agents := agentHandlers{clusterHandlers{view: d.cfg.Cluster}, d.cfg.ClusterAgents, newBudget("questions to resource agents", simulationsAtATime)}
	wizards := wizardHandlers{drafts, agents, d.cfg.ClusterHAProxy}
	const draft = clusterDraftsPath + "/{id}"
	return []Route{
		{post, simulatePath, auth.Operate, OnNode, "what the cluster would do: a draft, events, another time, another CIB; what it would have done in a transition of the past", foresight.simulate},
		{get, lossesPath, auth.Read, OnNode, "which nodes the cluster may lose", foresight.losses},
		{post, lossesPath, auth.Operate, OnNode, "what the failure of nodes at the same time would do", foresight.lose},
		{get, clusterDraftsPath, auth.Read, OnNode, "the caller's drafts of the cluster's configuration, and those that are listed", drafts.list},
		{post, clusterDraftsPath, auth.Admin, OnNode, "begin a draft; requests below /cluster/config with draft=ID show and change it", drafts.create},
		{get, draft, auth.Read, OnNode, "one draft", drafts.show},
		{patch, draft, auth.Admin, OnNode, "give a draft another message or time, or list it for others", drafts.change},
		{del, draft, auth.Admin, OnNode, "drop a draft", drafts.drop},
		{get, draft + "/diff", auth.Operate, OnNode, "what a draft changes, and what the cluster would do", drafts.diff},
		{del, draft + "/edits/{number}", auth.Admin, OnNode, "take an edit out of a draft", drafts.removeEdit},
		{post, draft + "/injections", auth.Admin, OnNode, "add an event that the simulation of a draft supposes", drafts.inject},
		{del, draft + "/injections/{number}", auth.Admin, OnNode, "remove one", drafts.removeInjection},
		{post, draft + "/rebase", auth.Admin, OnNode, "end the conflicts of a draft: its objects win", drafts.rebase},
		{post, draft + "/commit", auth.Admin, OnNode, "make what a draft changes as one change, and drop it; query: wait", drafts.commit},
		{get, clusterAgentsPath, auth.Read, OnNode, "the resource agents and fence agents of this node; query: class", agents.list},
		{get, clusterAgentsPath + "/{agent}", auth.Read, OnNode, "the parameters of one of them", agents.show},
		{post, clusterAgentsPath + "/{agent}/validate", auth.Admin, OnNode, "have an OCF agent check parameters on this node", agents.check},
		{get, clusterWizardsPath, auth.Read, OnNode, "the wizards, which make a draft from a few values; query: draft", wizards.list},
		{post, clusterWizardsPath + "/{name}", auth.Admin, OnNode, "make what a wizard is for in a draft, and show what the cluster would do", wizards.run},
	}
}

// pasts are this cluster's past and those of imports.
func (d *nodeDialect) pasts() pasts {
	return pasts{clusterHandlers{view: d.cfg.Cluster}, d.cfg.ClusterHistory, d.cfg.ClusterImported}
}

// pastRoutes are those of the history of the Pacemaker cluster.
func (d *nodeDialect) pastRoutes() []Route {
	past := clusterHistoryHandlers{
		pasts: d.pasts(), turns: newBudget("questions about the cluster's history", simulationsAtATime), now: d.cfg.Now,
		exports: newBudget("exports of the cluster's history", exportsAtATime), version: d.cfg.Version,
	}
	imports := clusterImportHandlers{d.cfg.ClusterImports, make(chan struct{}, 1)}
	const transition = clusterHistoryPath + "/{id}"
	return []Route{
		{get, clusterHistoryPath, auth.Read, OnNode, "the transitions of the cluster, newest first; query: from, to, node, resource, tag, author, limit, import", past.list},
		{get, clusterHistoryPath + "/operations", auth.Read, OnNode, "results of operations, newest first; query: from, to, node, resource, limit, import", past.operations},
		{get, clusterHistoryPath + "/log", auth.Operate, OnNode, "what the cluster's programs have logged; query: from, to, limit, import", past.log},
		{get, clusterHistoryPath + "/at", auth.Read, OnNode, "the state of the cluster at an instant, in the form of GET /cluster, and what it was made from; query: time, import", past.at},
		{get, clusterExportPath, auth.Operate, OnNode, "the transitions of an interval with states, decisions and logs as one .tar.gz, without secrets; query: from, to", past.export},
		{get, clusterImportsPath, auth.Read, OnNode, "the pasts of clusters that came in files; requests with import=ID are about one of them", imports.list},
		{post, clusterImportsPath, auth.Admin, OnNode, "import a file of an export or of crm report", imports.add},
		{del, clusterImportsPath + "/{id}", auth.Admin, OnNode, "remove an import", imports.remove},
		{get, transition, auth.Read, OnNode, "one transition, with the operations that have ended since the one before; query: import", past.show},
		{get, transition + "/state", auth.Read, OnNode, "the state of the cluster then, in the form of GET /cluster; query: import", past.state},
		{get, transition + "/decisions", auth.Read, OnNode, "what the scheduler decided, with the transition graph and the scores; query: import", past.decisions},
		{get, transition + "/explanation", auth.Operate, OnNode, "the phases of the failover or the move that a transition belongs to, and what cost time; query: import", past.explain},
		{get, transition + "/diff", auth.Read, OnNode, "what became of the configuration since the transition before; query: with, import", past.diff},
		{get, transition + "/log", auth.Operate, OnNode, "what they have logged around a transition; query: limit, import", past.logOf},
		{get, transition + "/cib.xml", auth.Read, OnNode, "the configuration and status then as XML, without secrets; query: import", past.cib},
		{get, transition + "/config.crm", auth.Read, OnNode, "the configuration then in the syntax of crmsh, without secrets; query: import", past.crm},
		{get, transition + "/file", auth.Admin, OnNode, "the input of the scheduler as Pacemaker has kept it, with secrets; query: import", past.file},
	}
}

// cluster shows the Pacemaker cluster and acts on it.
func (d *nodeDialect) cluster() clusterHandlers {
	return clusterHandlers{view: d.cfg.Cluster, actions: d.cfg.ClusterActions, jobs: d.cfg.ClusterJobs}
}

// objects are the handlers of the cluster's configuration.
func (d *nodeDialect) objects(h clusterHandlers) clusterConfigHandlers {
	commits := draftCommits{d.cfg.ClusterDrafts, h.jobs, h.status, &d.commits, d.cfg.Now}
	return clusterConfigHandlers{h, d.cfg.ClusterConfiguration, d.cfg.ClusterDrafts, commits, d.cfg.Now, d.cfg.Logger}
}

// clusterRoutes are those of the Pacemaker cluster.
func (d *nodeDialect) clusterRoutes() []Route {
	cluster := d.cluster()
	objects := d.objects(cluster)
	jobs := jobHandlers{cluster}
	haproxy := haproxyHandlers{cluster, d.cfg.ClusterHAProxy}
	agents := nodeHandlers{d.cfg.ClusterNode, d.cfg.IsSealError}
	members := memberHandlers{d.cfg.ClusterMembers}
	const object = clusterConfigPath + "/{kind}/{id}"
	return []Route{
		{get, "/cluster", auth.Read, OnNode, "the Pacemaker cluster: nodes, resources, failures, floating IPs", cluster.show},
		{get, "/cluster/nodes", auth.Read, OnNode, "the cluster's nodes", cluster.showNodes},
		{get, "/cluster/nodes/{name}", auth.Read, OnNode, "one node: state, configuration, results of operations, failures, actions that are offered", objects.showNode},
		{get, "/cluster/resources", auth.Read, OnNode, "the cluster's resources", cluster.showResources},
		{get, "/cluster/resources/{id}", auth.Read, OnNode, "one resource, in the same way, with its constraints", objects.showResource},
		{get, "/cluster/cib.xml", auth.Read, OnNode, "the cluster's configuration and status as XML, without secrets", cluster.showCIB},
		{post, "/cluster/actions/{action}", auth.Operate, OnNode, "act on the cluster; answered when the action is done", cluster.act},
		{post, "/cluster/actions/leave", auth.Admin, OnNode, "take a node out of the cluster; answered when the others have forgotten it", cluster.leave},
		{post, "/cluster/actions/forget", auth.Admin, OnNode, "take nodes out of the cluster that are gone; answered when the cluster does not know them any more", cluster.forget},
		{get, invitationsPath, auth.Admin, OnNode, "the last invitation of this node, without its code", members.list},
		{post, invitationsPath, auth.Admin, OnNode, "make a code with which other nodes can join; the answer alone has it", members.invite},
		{del, invitationsPath, auth.Admin, OnNode, "end the open invitation of this node", members.end},
		{post, joinPath, auth.Admin, OnNode, "let this node join a cluster by a code; answered when it is online there", members.join},
		{post, clusterHAProxyPath + "/apply", auth.Admin, OnNode, "write HAProxy and its floating IPs into the cluster's configuration; query: dryRun", haproxy.apply},
		{post, clusterHAProxyPath + "/rollout", auth.Operate, OnNode, "reload HAProxy on all nodes, or on none; query: dryRun", haproxy.rollout},
		{post, clusterHAProxyPath + "/destroy", auth.Admin, OnNode, "remove what apply has made; query: dryRun", haproxy.destroy},
		{post, clusterNodePath + "/{verb}", 0, OnNode, "challenge, and then start, stop or state of this node's services, look, sync or leave of its membership, or drafts of the configuration, for an agent with the seal of the cluster", agents.answer},
		{post, "/cluster/simulate/{action}", auth.Operate, OnNode, "what the cluster would do after that action", cluster.simulate},
		{get, clusterConfigPath, auth.Read, OnNode, "the objects of the cluster's configuration by kind, without secrets", objects.list},
		{get, clusterConfigPath + ".crm", auth.Read, OnNode, "the whole configuration in the syntax of crmsh, without secrets; query: draft", objects.crm},
		{get, clusterConfigPath + ".xml", auth.Read, OnNode, "the same as XML; query: draft", objects.xml},
		{get, clusterConfigPath + "/{kind}", auth.Read, OnNode, "those of a kind", objects.listKind},
		{get, object, auth.Read, OnNode, "one object, as JSON or, if Accept has it, XML", objects.show},
		{put, object, auth.Admin, OnNode, "make or replace an object; query: dryRun, wait, draft", objects.put},
		{patch, object, auth.Admin, OnNode, "change fields of an object; query: dryRun, wait, draft", objects.patch},
		{del, object, auth.Admin, OnNode, "remove an object; query: dryRun, wait, draft, cascade", objects.remove},
		{post, object + "/rename", auth.Admin, OnNode, "give an object another id, which references follow; query: dryRun, wait, draft", objects.rename},
		{post, object + "/copy", auth.Admin, OnNode, "copy an object; query: dryRun, wait, draft", objects.copy},
		{post, object + "/reveal", auth.Admin, OnNode, "an object with its secrets; the audit log notes it", objects.reveal},
		{get, jobsPath, auth.Read, OnNode, "what was asked of the cluster, newest first; query: state, author, object, before, limit", jobs.list},
		{get, jobsPath + "/{id}", auth.Read, OnNode, "one job: what was foretold, and what has happened; query: wait", jobs.show},
		{post, jobsPath + "/{id}/cancel", auth.Operate, OnNode, "cancel a job that runs", jobs.cancel},
		{post, clusterChangesPath, auth.Admin, OnNode, "several changes of objects as one; query: dryRun, wait, draft", objects.apply},
		{get, "/monitor", auth.Read, OnNode, "wait until the CIB differs from the version ?admin_epoch:epoch:num_updates", cluster.monitor},
		{get, "/monitor.json", auth.Read, OnNode, "the same", cluster.monitor},
	}
}

// stateRoutes are those of the agent's own state.
func (d *nodeDialect) stateRoutes(about aboutHandlers, state stateHandlers) []Route {
	ready := state.readyz
	if d.cfg.Console {
		ready = consoleState{d.cfg.Clusters, state}.readyz
	}
	return []Route{
		{get, "/status", auth.Read, OnMany, "the state of agent, HAProxy and discovery", state.status},
		{get, "/healthz", 0, OnCaller, "200 while the agent works, else 503 with reasons", state.healthz},
		{get, "/readyz", 0, OnMany, "200 while HAProxy runs the requested configuration, else 503 with reasons", ready},
		{get, "/version", auth.Read, OnCaller, "the agent's version", about.showVersion},
		{get, "/streams", auth.Read, OnMany, "a websocket that sends states and then changes", d.streams.open},
		{get, "/metrics", metricsRole(d.cfg.OpenMetrics), OnMany, "metrics for Prometheus, as text", d.metrics.serve},
	}
}

// accessRoutes are those of sessions, users and the audit log.
func (d *nodeDialect) accessRoutes(a *Agent) []Route {
	return []Route{
		{get, "/session", 0, OnCaller, "the identity of the caller", d.sessions.show},
		{post, "/session", 0, OnCaller, "begin a session with a token, a password or a login at the identity provider", d.sessions.login},
		{del, "/session", 0, OnCaller, "end the session", d.sessions.logout},
		{get, "/session/ways", 0, OnCaller, "how to log in here", d.sessions.ways},
		{post, "/session/sso", 0, OnCaller, "begin a login at the identity provider; the answer has its address", d.sessions.begin},
		{get, "/sessions", auth.Read, OnCaller, "the caller's sessions; for an admin everybody's", d.sessions.list},
		{del, "/sessions/{id}", auth.Read, OnCaller, "end one of them", d.sessions.endListed},
		{get, "/access", auth.Admin, OnNode, "users, tokens, certificates and groups with their rights, without secrets", accessHandlers{a.authority}.list},
		{get, "/audit", auth.Admin, OnNode, "changes, logins and refusals, newest first; query: name, since, before, limit", auditHandlers{d.cfg.Audit}.list},
	}
}
