"""The speed of the attribution methods, family by family, in one run."""

import argparse

import deep_lift
import integrated_gradients
import lime_speed
import shapley

FAMILIES = {module.__name__: module for module in (integrated_gradients, shapley, lime_speed, deep_lift)}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=FAMILIES)
    options = parser.parse_args()
    for name in [options.only] if options.only else FAMILIES:
        print(f"\n{FAMILIES[name].__doc__.splitlines()[0]}")
        FAMILIES[name].report(options.rounds)


if __name__ == "__main__":
    main()
