package pacemaker

import (
	"bytes"
	"cmp"
	"context"
	"encoding/xml"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"

	"thalassa/cluster"
	"thalassa/cluster/cibxml"
)

// monitorXML is the part of crm_mon's XML output that is used. It is the same in
// Pacemaker 2.1 and 3.0 (api-result.rng).
type monitorXML struct {
	DC struct {
		Present bool   `xml:"present,attr"`
		Name    string `xml:"name,attr"`
		Quorum  bool   `xml:"with_quorum,attr"`
		Version string `xml:"version,attr"`
	} `xml:"summary>current_dc"`
	Options struct {
		Maintenance bool `xml:"maintenance-mode,attr"`
		StopAll     bool `xml:"stop-all-resources,attr"`
		// Fencing is empty if the option is unknown.
		Fencing string `xml:"stonith-enabled,attr"`
	} `xml:"summary>cluster_options"`
	Nodes     []nodeXML    `xml:"nodes>node"`
	Resources resourcesXML `xml:"resources"`
	Failures  []failureXML `xml:"failures>failure"`
	detailXML

	running bool // the CIB is that of a running cluster
	late    bool // the scheduler has not answered in time
	// found is what the scheduler says of resources that nothing else explains.
	found map[string][]string
}

type nodeXML struct {
	Name        string `xml:"name,attr"`
	Type        string `xml:"type,attr"`
	Guest       string `xml:"id_as_resource,attr"`
	Online      bool   `xml:"online,attr"`
	Standby     bool   `xml:"standby,attr"`
	OnFail      bool   `xml:"standby_onfail,attr"`
	Maintenance bool   `xml:"maintenance,attr"`
	Pending     bool   `xml:"pending,attr"`
	Unclean     bool   `xml:"unclean,attr"`
	Shutdown    bool   `xml:"shutdown,attr"`
	IsDC        bool   `xml:"is_dc,attr"`
}

// resourcesXML has resources and their containers, in any nesting.
type resourcesXML struct {
	Plain    []resourceXML  `xml:"resource"`
	Clones   []containerXML `xml:"clone"`
	Groups   []containerXML `xml:"group"`
	Bundles  []containerXML `xml:"bundle"`
	Replicas []containerXML `xml:"replica"` // of a bundle, numbered
}

type containerXML struct {
	ID string `xml:"id,attr"`
	resourcesXML
}

type resourceXML struct {
	ID       string `xml:"id,attr"`
	Agent    string `xml:"resource_agent,attr"`
	Role     string `xml:"role,attr"`
	Target   string `xml:"target_role,attr"`
	Active   bool   `xml:"active,attr"`
	Orphaned bool   `xml:"orphaned,attr"`
	Blocked  bool   `xml:"blocked,attr"`
	Managed  bool   `xml:"managed,attr"`
	Disabled bool   `xml:"disabled,attr"`
	Failed   bool   `xml:"failed,attr"`
	Pending  string `xml:"pending,attr"`
	Nodes    []struct {
		Name string `xml:"name,attr"`
	} `xml:"node"`
}

type failureXML struct {
	Key      string `xml:"op_key,attr"`
	ID       string `xml:"id,attr"` // in place of the key, if the operation has none
	Node     string `xml:"node,attr"`
	Meaning  string `xml:"exitstatus,attr"`
	Reason   string `xml:"exitreason,attr"`
	Code     int    `xml:"exitcode,attr"`
	Call     int    `xml:"call,attr"`
	Status   string `xml:"status,attr"`
	Changed  string `xml:"last-rc-change,attr"`
	Interval string `xml:"interval,attr"`
	Task     string `xml:"task,attr"`
}

// View returns the status of the cluster in a CIB, from Pacemaker's own tools: what is,
// and what the scheduler has yet to do.
func (c *Cluster) View(ctx context.Context, cib *CIB) (cluster.Status, error) {
	var m monitorXML
	var next planned
	var late bool
	var ended sync.WaitGroup
	err := withFile(cib.data, func(path string) (err error) {
		ended.Go(func() { next, late = c.planned(ctx, cib, path) })
		defer ended.Wait()
		m, err = c.monitor(ctx, path)
		return err
	})
	if err != nil {
		return cluster.Status{}, err
	}
	self, err := os.Hostname()
	if err != nil {
		return cluster.Status{}, fmt.Errorf("reading the host name: %w", err)
	}
	m.late, m.running = late, c.isLive() && c.cfg.File == ""
	m.Fencing = c.fenceHistory(ctx)
	v := view(cib, m, next, c.self(ctx, cib, self))
	if list := unexplained(v); len(list) > 0 {
		m.found = c.schedulerSays(ctx, cib, list)
		v = view(cib, m, next, v.Self)
	}
	return v, nil
}

// monitor runs crm_mon on a CIB in a file.
func (t *tools) monitor(ctx context.Context, path string) (m monitorXML, err error) {
	out, err := t.run(ctx, call{tool: "crm_mon", args: []string{"-1"}, file: path})
	if err == nil {
		err = xml.NewDecoder(bytes.NewReader(out)).Decode(&m)
	}
	if err != nil {
		return m, fmt.Errorf("reading the state of the cluster: %w", err)
	}
	return m, nil
}

// Now returns the current status of the cluster.
func (c *Cluster) Now(ctx context.Context) (cluster.Status, error) {
	cib, err := c.Query(ctx)
	if err != nil {
		return cluster.Status{}, err
	}
	return c.View(ctx, cib)
}

// self is this node's name in the cluster, which may differ from its host name.
func (t *tools) self(ctx context.Context, cib *CIB, hostname string) string {
	for _, n := range cib.root.Child("configuration", "nodes").Descendants("node") {
		if n.Attr("uname") == hostname {
			return hostname
		}
	}
	out, err := t.run(ctx, call{tool: "crm_node", args: []string{"-n"}, plain: true})
	if err != nil {
		return hostname
	}
	return strings.TrimSpace(string(out))
}

// unknownStatus is the status of a cluster before it is known.
func unknownStatus() cluster.Status {
	return cluster.Status{
		Reasons: []string{}, Fencing: cluster.Fencing{Devices: []string{}},
		Nodes: []cluster.Node{}, Resources: []cluster.Resource{}, FloatingIPs: []cluster.FloatingIP{}, Failures: []cluster.Failure{},
	}
}

// view combines the output of crm_mon with what only the CIB has, and what the scheduler
// has yet to do.
func view(cib *CIB, m monitorXML, next planned, self string) cluster.Status {
	v := unknownStatus()
	v.Epoch, v.Name, v.Version, v.DC, v.Quorum = cib.Epoch, cib.property("cluster-name"), version(m.DC.Version), m.DC.Name, m.DC.Quorum
	v.Maintenance, v.StopAll, v.Self, v.Settled = m.Options.Maintenance, m.Options.StopAll, self, true
	if !m.DC.Present { // without a DC, only the CIB has it
		v.Quorum = cibxml.IsTrue(cib.root.Attr("have-quorum"))
	}
	m.Resources.walk(nil, false, func(r resourceXML, in []string, clone bool) { addResource(&v, r, in, clone) })
	v.Fencing = cib.fencing(m.Options.Fencing, v.Resources)
	m.addTo(&v, cib)
	addUtilization(&v, cib)
	attributes := cib.attributes()
	for _, n := range m.Nodes {
		v.Nodes = append(v.Nodes, node(n, cibxml.ShownAttributes(attributes[n.Name]), cib.capacity(n.Name), v.Resources))
	}
	for _, f := range m.Failures {
		v.Failures = append(v.Failures, f.failure(cib))
	}
	v.FloatingIPs = cib.floatingIPs(v.Resources)
	v.Role = role(v)
	withheld := explain(&v, cib, m.found)
	v.State, v.Reasons = assess(v, situation{cib, next, m.late, m.running, withheld})
	return v
}

// version returns a version without its build: "2.1.5-a3f44794f94" becomes 2.1.5.
func version(s string) string {
	s, _, _ = strings.Cut(s, "-")
	return s
}

// walk visits every resource with its containers, the outermost first. A replica has no
// name of its own and is none of them.
func (r resourcesXML) walk(in []string, clone bool, visit func(r resourceXML, in []string, clone bool)) {
	for _, p := range r.Plain {
		visit(p, in, clone)
	}
	for _, c := range r.Clones {
		c.walk(append(slices.Clone(in), base(c.ID)), true, visit)
	}
	for _, c := range slices.Concat(r.Groups, r.Bundles) {
		c.walk(append(slices.Clone(in), base(c.ID)), clone, visit)
	}
	for _, c := range r.Replicas {
		c.walk(in, clone, visit)
	}
}

// addResource adds an instance to its resource.
func addResource(v *cluster.Status, r resourceXML, in []string, clone bool) {
	id := base(r.ID)
	state := resourceState(r)
	i := slices.IndexFunc(v.Resources, func(o cluster.Resource) bool { return o.ID == id })
	if i < 0 {
		i = len(v.Resources)
		v.Resources = append(v.Resources, cluster.Resource{
			ID: id, Containers: in, Clone: clone, Agent: r.Agent, State: "stopped", Managed: true, Places: []cluster.Placement{},
		})
		if len(in) > 0 {
			v.Resources[i].In = in[0]
		}
	}
	known := &v.Resources[i]
	known.Managed = known.Managed && r.Managed
	for _, n := range r.Nodes {
		known.Places = append(known.Places, cluster.Placement{Node: n.Name, State: state, Role: roleOf(r.Role)})
	}
	slices.SortFunc(known.Places, func(a, b cluster.Placement) int { return strings.Compare(a.Node, b.Node) })
	if rank(state) > rank(known.State) {
		known.State = state
	}
	// A recurring monitor that waits for its first result is not a change.
	v.Settled = v.Settled && (r.Pending == "" || r.Pending == "Monitoring")
}

// roleOf is the role of an instance: started, promoted or unpromoted. Older releases say
// Master and Slave.
func roleOf(role string) string {
	switch role = strings.ToLower(role); role {
	case "master":
		return "promoted"
	case "slave":
		return "unpromoted"
	}
	return role
}

// rank orders states by importance.
func rank(state string) int {
	return slices.Index([]string{"stopped", "disabled", "started", "unmanaged", "starting", "stopping", "blocked", "failed"}, state)
}

func resourceState(r resourceXML) string {
	pending := strings.ToLower(r.Pending)
	switch {
	case r.Failed:
		return "failed"
	case r.Blocked:
		return "blocked"
	case slices.Contains([]string{"starting", "stopping"}, pending):
		return pending
	case !r.Managed:
		return "unmanaged"
	case r.Active:
		return "started"
	case r.Disabled || strings.EqualFold(r.Target, "Stopped"):
		return "disabled"
	}
	return "stopped"
}

func node(n nodeXML, attributes, capacity map[string]string, resources []cluster.Resource) cluster.Node {
	out := cluster.Node{
		Name: n.Name, Type: cmp.Or(n.Type, "member"), Host: n.Guest, DC: n.IsDC, State: "online",
		Leaving: n.Shutdown && n.Online, Resources: []string{}, Attributes: attributes, Utilization: capacity,
	}
	if n.Guest != "" {
		out.Type = "guest"
	}
	if out.Attributes == nil {
		out.Attributes = map[string]string{}
	}
	switch {
	case n.Unclean:
		out.State = "unclean"
	case n.Pending:
		out.State = "pending"
	case !n.Online:
		out.State = "offline"
	case n.Maintenance:
		out.State = "maintenance"
	case n.Standby || n.OnFail:
		out.State = "standby"
	}
	for _, r := range resources {
		if slices.Contains(r.Nodes(), n.Name) {
			out.Resources = append(out.Resources, r.ID)
		}
	}
	return out
}

// failure converts a failure. The CIB knows secrets that its reason may have.
func (f failureXML) failure(cib *CIB) cluster.Failure {
	key := cmp.Or(f.Key, f.ID)
	resource, task := key, f.Task
	if i := strings.LastIndex(key, "_"+f.Task+"_"); f.Task != "" && i > 0 {
		resource = key[:i]
	} else if parts := strings.Split(key, "_"); len(parts) > 2 {
		resource, task = strings.Join(parts[:len(parts)-2], "_"), parts[len(parts)-2]
	}
	out := cluster.Failure{
		Node: f.Node, Resource: base(resource), Operation: task, Code: f.Code, Call: f.Call,
		Meaning: f.Meaning, Reason: cib.Hide(cibxml.Unescape(f.Reason)), Status: f.Status,
	}
	if out.Reason == "none" { // Pacemaker's word for an agent that gave no reason
		out.Reason = ""
	}
	out.Interval, _ = strconv.Atoi(strings.TrimSuffix(f.Interval, "ms"))
	out.Time = parseTime(f.Changed)
	return out
}
