"""The two scripts of the demo's project.

They are copied into the new project as they are and run there by themselves: nothing here is imported by xver, and
they import nothing of xver. They stand in a package so that they are linted, typed and installed like the rest.
"""
