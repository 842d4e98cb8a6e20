package pacemaker

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"thalassa/cluster"
)

// Totem is how fast corosync notices that a node is gone.
type Totem struct {
	// Token is the time without a sign of life, as it is in effect: corosync adds
	// the coefficient for every node beyond two.
	Token time.Duration
	// Consensus is the time that the others take to agree after that.
	Consensus time.Duration
	// Base and Coefficient are what corosync.conf says; -1: not set.
	Base, Coefficient time.Duration
}

const unset = time.Duration(-1)

// slowToken is the longest token of which nothing is said.
const slowToken = 1200 * time.Millisecond

// Totem asks the corosync of this node (corosync-cmapctl).
func (c *Cluster) Totem(ctx context.Context) (Totem, error) {
	out, err := c.run(ctx, call{tool: "corosync-cmapctl", plain: true})
	if e, ok := errors.AsType[*cluster.Error](err); ok && e.Kind == cluster.KindFailed {
		e.Kind = cluster.KindNotConnected // it has one code for everything
	}
	if err != nil {
		return Totem{}, fmt.Errorf("asking corosync: %w", err)
	}
	return parseTotem(string(out)), nil
}

func parseTotem(out string) Totem {
	line := regexp.MustCompile(`(?m)^(\S+) \(\w+\) = (\d+)$`)
	values := map[string]time.Duration{}
	for _, m := range line.FindAllStringSubmatch(out, -1) {
		if n, err := strconv.Atoi(m[2]); err == nil {
			values[m[1]] = time.Duration(n) * time.Millisecond
		}
	}
	or := func(key string, other time.Duration) time.Duration {
		if v, ok := values[key]; ok {
			return v
		}
		return other
	}
	return Totem{
		Token: or("runtime.config.totem.token", 0), Consensus: or("runtime.config.totem.consensus", 0),
		Base: or("totem.token", unset), Coefficient: or("totem.token_coefficient", unset),
	}
}

// Warnings are about a token that makes failover slow.
func (t Totem) Warnings() []string {
	if t.Token <= slowToken {
		return nil
	}
	line := fmt.Sprintf("SLOW FAILOVER: corosync notices a dead node after %d ms, and needs %d ms more to agree",
		t.Token.Milliseconds(), t.Consensus.Milliseconds())
	var why []string
	if t.Base == unset {
		why = append(why, "token is not set (3000 by default)")
	} else if t.Base > slowToken {
		why = append(why, fmt.Sprintf("token is %d", t.Base.Milliseconds()))
	}
	switch {
	case t.Coefficient == unset:
		why = append(why, "token_coefficient is not set (650 ms more for each node beyond two)")
	case t.Coefficient > 0:
		why = append(why, fmt.Sprintf("token_coefficient is %d (ms more for each node beyond two)", t.Coefficient.Milliseconds()))
	}
	if len(why) > 0 {
		line += ": " + strings.Join(why, ", ")
	}
	return []string{line, "token: 1000 and token_coefficient: 0 in corosync.conf's totem section make it 2 to 3 s from a node's death to traffic on another"}
}
