//! Traits, data, runner, judging and verdict of reqpath: the walk along a request's road
