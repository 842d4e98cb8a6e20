// Package layers holds the rules of who may import whom, and who may touch the
// outside world, as data, and checks source text against them. Its tests check
// the whole module, so a package that is new has to be given its place in House
// before they pass.
//
// It reads source and says what is wrong with it. It never changes a file and
// is never imported by the product.
package layers
