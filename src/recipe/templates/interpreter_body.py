if __name__ == "__main__":
    import runpy

    arguments = sys.argv[1:]
    interactive = not arguments
    # -I (isolated) is taken and does nothing: the path is fixed here anyway
    while arguments and arguments[0] in ("-i", "-I"):
        interactive = arguments.pop(0) == "-i" or interactive
    namespace = {"__name__": "__main__"}
    if arguments[:1] == ["-c"]:
        sys.argv[:] = ["-c"] + arguments[2:]
        exec(compile(arguments[1], "<string>", "exec"), namespace)
    elif arguments[:1] == ["-m"]:
        sys.argv[:] = arguments[1:]
        namespace = runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    elif arguments:
        sys.argv[:] = arguments
        namespace = runpy.run_path(arguments[0], run_name="__main__")
    if interactive:
        import code

        code.interact(banner="", local=dict(namespace))
