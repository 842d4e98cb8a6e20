package pacemaker

import (
	"context"
	"encoding/xml"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"thalassa/cluster"
	"thalassa/cluster/cibxml"
	"thalassa/lb"
)

// foreseenXML is the part of crm_simulate's XML output with scores and utilization. With
// one of them, its element has another name than with both.
type foreseenXML struct {
	simulationXML

	Scores     []scoreXML    `xml:"allocations_utilizations>node_weight"`
	Promotions []scoreXML    `xml:"allocations_utilizations>promotion_score"`
	Capacities []capacityXML `xml:"allocations_utilizations>capacity"`
}

type scoreXML struct {
	Resource string `xml:"id,attr"`
	Node     string `xml:"node,attr"`
	Score    string `xml:"score,attr"`
}

// A capacityXML has an element for each kind of capacity, with its name.
type capacityXML struct {
	Comment string `xml:"comment,attr"`
	Node    string `xml:"node,attr"`
	Left    []struct {
		XMLName xml.Name
		Value   string `xml:",chardata"`
	} `xml:",any"`
}

// Foresee runs the scheduler on a CIB under a scenario. It changes nothing. Errors:
// *lb.InvalidError about inject, *lb.NotFoundError for a node or resource that the CIB does
// not have, and *cluster.Error.
func Foresee(ctx context.Context, c *Cluster, cib *CIB, s cluster.Scenario) (cluster.Prediction, error) {
	out := cluster.Prediction{Epoch: cib.Epoch, Supposed: []string{}, Scores: []cluster.Score{}, Capacities: []cluster.Capacity{}}
	for _, i := range s.Inject {
		out.Supposed = append(out.Supposed, i.String())
	}
	events, err := arguments(cib, s.Inject)
	if err != nil {
		return out, err
	}
	for _, i := range s.Inject {
		if i.Quorum != nil {
			cib = cib.withQuorum(*i.Quorum)
		}
	}
	var seen foreseenXML
	var complaints []string
	err = withFile(cib.data, func(path string) error {
		graph := filepath.Join(filepath.Dir(path), "transition.xml")
		if complaints, err = inject(ctx, &c.tools, cib, path, events); err != nil {
			return err
		}
		args := []string{"-x", path, "-S", "-s", "-U", "-G", graph}
		if !s.At.IsZero() {
			args = append(args, "-t", s.At.UTC().Format("2006-01-02 15:04:05Z"))
		}
		data, err := c.run(ctx, call{tool: "crm_simulate", args: args, file: path, within: cib.schedulerTime(c.cfg.Timeout)})
		if err != nil {
			return err
		}
		if err := xml.Unmarshal(data, &seen); err != nil {
			return fmt.Errorf("reading the result: %w", err)
		}
		if err := seen.check(cib); err != nil {
			return err
		}
		out.Graph, err = readGraphFile(graph)
		return err
	})
	if err != nil {
		return out, fmt.Errorf("simulating: %w", err)
	}
	if err := refused(s.Inject, complaints); err != nil {
		return out, err
	}
	out.Consequences = seen.foretold(cib)
	out.Scores = append(scoresOf(seen.Scores, false), scoresOf(seen.Promotions, true)...)
	out.Capacities = capacitiesOf(seen.Capacities)
	return out, nil
}

// withQuorum is the CIB of a partition with or without quorum. The option -q of crm_simulate
// has an effect only together with other events (2.1.5).
func (c *CIB) withQuorum(has bool) *CIB {
	root := c.root.Clone()
	root.Set("have-quorum", map[bool]string{true: "1", false: "0"}[has])
	return &CIB{Epoch: c.Epoch, data: root.Bytes(), root: root}
}

// refused is the error for events that crm_simulate has not understood, which it tells of and
// goes on.
func refused(inject []cluster.Injection, complaints []string) error {
	var fe lb.FieldErrors
	for n, i := range inject {
		if i.Resource != "" && slices.ContainsFunc(complaints, func(text string) bool { return strings.HasSuffix(text, ": "+i.Resource) }) {
			fe.Add(fmt.Sprintf("inject[%d].resource", n), "is "+strconv.Quote(i.Resource)+", which Pacemaker does not find", "a primitive, or an instance of one in a clone that has never run: "+i.Resource+":0")
		}
	}
	return fe.Err()
}

func readGraphFile(path string) (cluster.Graph, error) {
	info, err := os.Stat(path)
	if err == nil && info.Size() > maxStdout {
		err = fmt.Errorf("it has %d bytes, and %d at most are read", info.Size(), int64(maxStdout))
	}
	if err != nil {
		return cluster.Graph{}, fmt.Errorf("reading the transition: %w", err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return cluster.Graph{}, fmt.Errorf("reading the transition: %w", err)
	}
	return readGraph(data)
}

// scoresOf are the last scores of each resource and node: those of the scheduler's last step.
func scoresOf(list []scoreXML, promotion bool) []cluster.Score {
	at, out := map[[2]string]int{}, []cluster.Score{}
	for _, s := range list {
		score := cluster.Score{Resource: s.Resource, Node: s.Node, Score: s.Score, Promotion: promotion}
		key := [2]string{s.Resource, s.Node}
		if i, known := at[key]; known {
			out[i] = score
			continue
		}
		at[key] = len(out)
		out = append(out, score)
	}
	return out
}

// capacitiesOf are what is left of each node's capacity.
func capacitiesOf(list []capacityXML) []cluster.Capacity {
	out := []cluster.Capacity{}
	for _, c := range list {
		if !strings.HasPrefix(c.Comment, "Remaining") || c.Node == "" {
			continue
		}
		left := map[string]string{}
		for _, a := range c.Left {
			left[a.XMLName.Local] = a.Value
		}
		out = append(out, cluster.Capacity{Node: c.Node, Left: cibxml.ShownPairs("utilization", left)})
	}
	return out
}

// arguments are those of crm_simulate for events.
func arguments(cib *CIB, inject []cluster.Injection) ([]string, error) {
	if err := cluster.CheckInjections("inject", inject); err != nil {
		return nil, err
	}
	var args []string
	for _, i := range inject {
		if i.Node != "" && !slices.Contains(cib.nodeNames(), i.Node) {
			return nil, &lb.NotFoundError{ID: "node/" + i.Node}
		}
		switch {
		case i.Resource != "":
			if !slices.ContainsFunc(cib.primitives(), func(p *cibxml.Element) bool { return p.Attr("id") == base(i.Resource) }) {
				return nil, &lb.NotFoundError{ID: "resource/" + i.Resource}
			}
			args = append(args, "-i", fmt.Sprintf("%s_%s_%d@%s=%d", i.Resource, i.Operation, i.Interval, i.Node, *i.Code))
		case i.Node != "":
			flag := map[string]string{cluster.NodeOnline: "-u", cluster.NodeOffline: "-d", cluster.NodeUnclean: "-f"}[i.State]
			args = append(args, flag, i.Node)
		case i.Ticket != "":
			flag := map[string]string{"grant": "-g", "revoke": "-r", "standby": "-b", "activate": "-e"}[i.Action]
			args = append(args, flag, i.Ticket)
		}
	}
	return args, nil
}
