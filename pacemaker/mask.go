package pacemaker

import "thalassa/cluster/cibxml"

// Masked returns the CIB as XML without secrets. It keeps structure, and values that are
// known to be harmless: by their place, by the name of their parameter, or by their form,
// such as numbers. Everything else is masked: parameters of unknown agents, the options of
// containers, recipients of alerts, free text. Digests of parameters are masked as well,
// because short secrets can be guessed from them.
func (c *CIB) Masked() []byte {
	root := c.root.Clone()
	cibxml.Mask(root, "", func(string) {})
	for _, op := range root.Child("status").Descendants("lrm_rsc_op") {
		if reason := op.Attr("exit-reason"); reason != "" {
			op.Set("exit-reason", c.Hide(reason))
		}
	}
	return root.Bytes()
}
