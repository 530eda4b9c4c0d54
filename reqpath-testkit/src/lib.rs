//! Fakes that fail loudly, mocks that misbehave, real parts on a leash
