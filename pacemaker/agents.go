package pacemaker

import (
	"bytes"
	"cmp"
	"context"
	"encoding/xml"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"thalassa/cluster"
	"thalassa/cluster/cibxml"
	"thalassa/lb"
)

const (
	// agentWithin limits how long an agent may take to tell its metadata.
	agentWithin = 10 * time.Second
	// maxMetadata limits the metadata of an agent as XML, maxHelp each text in it, and
	// maxAgents the names of a class, in bytes and numbers.
	maxMetadata = 1 << 20
	maxHelp     = 16 << 10
	maxAgents   = 5000
	// keptAgents limits how many agents are kept, and agentFor how long.
	keptAgents = 200
	agentFor   = 10 * time.Minute
)

// Agents knows the agents that are installed on this node, by Pacemaker's executor. It keeps
// what an agent has said of itself until the agent's file changes, or for ten minutes. Its
// methods are safe for concurrent use.
type Agents struct {
	cluster *Cluster
	now     func() time.Time

	mu   sync.Mutex
	kept map[string]keptAgent
}

type keptAgent struct {
	agent cluster.Agent
	stamp string // of its file
	until time.Time
}

// NewAgents returns the agents of this node. It asks nothing yet.
func NewAgents(c *Cluster, now func() time.Time) *Agents {
	return &Agents{cluster: c, now: now, kept: map[string]keptAgent{}}
}

// List lists the names of the agents of a class, or of all classes if it is empty, sorted. What
// has no valid name is left out.
func (a *Agents) List(ctx context.Context, class string) ([]string, error) {
	out := []string{}
	for _, c := range cluster.AgentClasses() {
		if class != "" && class != c {
			continue
		}
		prefixes := []string{c}
		if c == "ocf" {
			providers, err := a.lines(ctx, "--list-ocf-providers")
			if err != nil {
				return nil, err
			}
			prefixes = prefixes[:0]
			for _, p := range providers {
				prefixes = append(prefixes, c+":"+p)
			}
		}
		for _, prefix := range prefixes {
			types, err := a.lines(ctx, "--list-agents", prefix)
			if err != nil {
				return nil, err
			}
			for _, t := range types {
				if name, err := cluster.ParseAgentName(prefix + ":" + t); err == nil && len(out) < maxAgents {
					out = append(out, name)
				}
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// lines are the lines of what crm_resource lists. That there is nothing of a class is no error.
func (a *Agents) lines(ctx context.Context, args ...string) ([]string, error) {
	out, err := a.cluster.run(ctx, call{tool: "crm_resource", args: args, plain: true, within: agentWithin})
	if failed := (*cluster.Error)(nil); errors.As(err, &failed) && slices.Contains([]cluster.ErrorKind{cluster.KindFailed, cluster.KindNotFound}, failed.Kind) {
		return nil, nil
	}
	return strings.Fields(string(out)), err
}

// Agent is what an agent says of itself. If it is not installed, or says nothing, the error is an
// *lb.NotFoundError.
func (a *Agents) Agent(ctx context.Context, name string) (cluster.Agent, error) {
	name, err := cluster.ParseAgentName(name)
	if err != nil {
		return cluster.Agent{}, err
	}
	stamp := stampOf(name)
	if known, ok := a.known(name, stamp); ok {
		return known, nil
	}
	out, err := a.cluster.run(ctx, call{tool: "crm_resource", args: []string{"--show-metadata", name}, plain: true, within: agentWithin})
	if failed := (*cluster.Error)(nil); errors.As(err, &failed) && slices.Contains([]cluster.ErrorKind{cluster.KindFailed, cluster.KindNotFound}, failed.Kind) {
		return cluster.Agent{}, &lb.NotFoundError{ID: "agent/" + name}
	}
	if err != nil {
		return cluster.Agent{}, err
	}
	agent, err := readMetadata(name, out)
	if err != nil {
		return cluster.Agent{}, err
	}
	a.keep(name, keptAgent{agent, stamp, a.now().Add(agentFor)})
	return agent, nil
}

func (a *Agents) known(name, stamp string) (cluster.Agent, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	k, ok := a.kept[name]
	return k.agent, ok && k.stamp == stamp && a.now().Before(k.until)
}

func (a *Agents) keep(name string, k keptAgent) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.kept) >= keptAgents {
		clear(a.kept)
	}
	a.kept[name] = k
}

// stampOf tells versions of the file of an OCF agent apart. Of other agents, the file is unknown.
func stampOf(name string) string {
	parts := strings.Split(name, ":")
	if len(parts) != 3 {
		return ""
	}
	info, err := os.Stat(filepath.Join("/usr/lib/ocf/resource.d", parts[1], parts[2]))
	if err != nil {
		return ""
	}
	return info.ModTime().String()
}

// metadataXML is the document of an agent, as the OCF standard and fence agents have it.
type metadataXML struct {
	Version  string    `xml:"version,attr"`
	Standard string    `xml:"version"`
	Short    []textXML `xml:"shortdesc"`
	Brief    string    `xml:"shortdesc,attr"` // of a fence agent
	Long     []textXML `xml:"longdesc"`
	Params   []struct {
		Name       string    `xml:"name,attr"`
		Required   string    `xml:"required,attr"`
		Unique     string    `xml:"unique,attr"`
		Group      string    `xml:"unique-group,attr"`
		Reloadable string    `xml:"reloadable,attr"`
		Deprecated string    `xml:"deprecated,attr"`
		Obsoleted  *textXML  `xml:"deprecated"`
		Short      []textXML `xml:"shortdesc"`
		Long       []textXML `xml:"longdesc"`
		Content    struct {
			Type    string `xml:"type,attr"`
			Default string `xml:"default,attr"`
			Options []struct {
				Value string `xml:"value,attr"`
			} `xml:"option"`
		} `xml:"content"`
	} `xml:"parameters>parameter"`
	Actions []struct {
		Name     string `xml:"name,attr"`
		Role     string `xml:"role,attr"`
		Timeout  string `xml:"timeout,attr"`
		Interval string `xml:"interval,attr"`
		Depth    string `xml:"depth,attr"`
	} `xml:"actions>action"`
}

type textXML struct {
	Lang string `xml:"lang,attr"`
	Text string `xml:",chardata"`
}

// english is the text in English, or else the first one.
func english(texts []textXML) string {
	if len(texts) == 0 {
		return ""
	}
	i := max(0, slices.IndexFunc(texts, func(t textXML) bool { return strings.HasPrefix(t.Lang, "en") }))
	return help(texts[i].Text)
}

func help(text string) string {
	text = strings.ToValidUTF8(strings.TrimSpace(text), "?")
	if len(text) > maxHelp {
		text = strings.ToValidUTF8(text[:maxHelp], "") + "…"
	}
	return text
}

// readMetadata reads the document of an agent. Some print messages before it.
func readMetadata(name string, data []byte) (cluster.Agent, error) {
	out := cluster.Agent{Name: name, Parameters: []cluster.AgentParameter{}, Actions: []cluster.AgentAction{}}
	if i := bytes.IndexByte(data, '<'); i > 0 {
		data = data[i:]
	}
	var doc metadataXML
	decoder := xml.NewDecoder(bytes.NewReader(data))
	decoder.Strict = false // some have entities of HTML
	if err := decoder.Decode(&doc); err != nil || len(data) > maxMetadata {
		return out, &lb.ConflictError{ID: "agent/" + name, Reason: "its metadata is no XML of at most 1 MiB"}
	}
	out.Version, out.Short, out.Long = cmp.Or(doc.Version, strings.TrimSpace(doc.Standard)), cmp.Or(english(doc.Short), help(doc.Brief)), english(doc.Long)
	for _, p := range doc.Params {
		if p.Name == "" {
			continue
		}
		q := cluster.AgentParameter{
			Name: p.Name, Type: cmp.Or(p.Content.Type, "string"), Default: help(p.Content.Default), Group: p.Group,
			Required: cibxml.IsTrue(p.Required), Unique: cibxml.IsTrue(p.Unique), Reloadable: cibxml.IsTrue(p.Reloadable),
			Deprecated: cibxml.IsTrue(p.Deprecated) || p.Obsoleted != nil, Secret: cibxml.IsSecret(p.Name), Short: english(p.Short), Long: english(p.Long),
		}
		for _, o := range p.Content.Options {
			q.Options = append(q.Options, o.Value)
		}
		if q.Secret {
			q.Default = ""
		}
		out.Parameters = append(out.Parameters, q)
	}
	for _, x := range doc.Actions {
		out.Actions = append(out.Actions, cluster.AgentAction{Name: x.Name, Role: x.Role, Timeout: x.Timeout, Interval: x.Interval, Depth: x.Depth})
	}
	return out, nil
}
