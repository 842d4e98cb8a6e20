package pacemaker

import (
	"encoding/json"
	"fmt"

	"thalassa/cluster"
	"thalassa/cluster/cibxml"
)

// tag gives a plan for an action its tag. Secrets of the action do not count.
func (p *Plan) tag(a cluster.Action) error {
	asked := struct {
		Kind, Resource string
		Restart        bool
		HAProxy        *cluster.HAProxyDocument
	}{Kind: a.Kind, Resource: a.Resource, Restart: a.Restart}
	if a.HAProxy != nil {
		plain := *a.HAProxy
		plain.Parameters = map[string]string{}
		for name, value := range a.HAProxy.Parameters {
			if cibxml.IsSecret(name) {
				value = cibxml.Masked
			}
			plain.Parameters[name] = cibxml.MaskText(value)
		}
		d, err := plain.Document()
		if err != nil {
			return err
		}
		asked.HAProxy = &d
	}
	data, err := json.Marshal(asked)
	if err != nil {
		return fmt.Errorf("naming the plan: %w", err)
	}
	p.HAProxyPlan = p.Tagged(data)
	return nil
}
