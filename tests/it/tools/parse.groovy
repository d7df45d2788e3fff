// Parses files as Groovy, the language of Jenkins' pipelines, and ends with what is wrong.
import org.codehaus.groovy.control.CompilationUnit
import org.codehaus.groovy.control.Phases

def unit = new CompilationUnit()
args.each { unit.addSource(new File(it)) }
unit.compile(Phases.CONVERSION)
